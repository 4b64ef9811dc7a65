package bora.converter;

import bora.formats.OnShutdown;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * A directory that appears under its name only when it is whole: filled beside it, then moved. What
 * was not finished is removed, unless the process is killed.
 */
public final class StagedDirectory implements AutoCloseable {
  private final Path out;
  private final Path staging;
  private final OnShutdown onShutdown;
  private boolean finished;

  private StagedDirectory(Path out, Path staging) {
    this.out = out;
    this.staging = staging;
    this.onShutdown = OnShutdown.run(this::removeUnchecked);
  }

  /**
   * @throws FileAlreadyExistsException when something of that name is there already, but for an
   *     empty directory
   * @throws NoSuchFileException when the directory around it is not there
   */
  public static void requireFree(Path out) throws IOException {
    Path parent = out.toAbsolutePath().normalize().getParent();
    if (parent == null || !Files.isDirectory(parent)) {
      throw new NoSuchFileException(
          out.toString(), null, "cannot write there: the directory around it does not exist");
    }
    if (!Files.exists(out)) {
      return;
    }
    if (!Files.isDirectory(out)) {
      throw new FileAlreadyExistsException(
          out.toString(), null, "expected a new or empty directory, found a file");
    }
    try (Stream<Path> content = Files.list(out)) {
      var first = content.sorted().findFirst();
      if (first.isPresent()) {
        throw new FileAlreadyExistsException(
            out.toString(),
            null,
            "expected a new or empty directory, found "
                + first.get().getFileName()
                + " in it; choose another name, or remove it");
      }
    }
  }

  /** Begins a directory beside its final name. */
  @SuppressWarnings("MustBeClosedChecker")
  public static StagedDirectory of(Path out) throws IOException {
    requireFree(out);
    Path absolute = out.toAbsolutePath().normalize();
    return new StagedDirectory(
        absolute,
        Files.createTempDirectory(absolute.getParent(), "." + absolute.getFileName() + "."));
  }

  /** Where to write until it is whole. */
  public Path path() {
    return staging;
  }

  /** Moves what was written to its name, in one step. */
  public void publish() throws IOException {
    requireFree(out);
    // A temporary directory is its owner's alone; what is published is for all.
    if (Files.getFileStore(staging).supportsFileAttributeView("posix")) {
      Files.setPosixFilePermissions(
          staging, java.nio.file.attribute.PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    Files.move(staging, out, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    finished = true;
  }

  private void removeUnchecked() {
    try {
      remove();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void remove() throws IOException {
    if (finished || !Files.exists(staging)) {
      return;
    }
    try (Stream<Path> files = Files.walk(staging)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }

  @Override
  public void close() throws IOException {
    onShutdown.close();
    remove();
  }
}
