package bora.runtime.text;

import bora.formats.SmallFile;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.PackReader;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The small files of a model that speak of text, by their names on the hub: {@code tokenizer.json},
 * {@code tokenizer.model}, {@code tokenizer_config.json} and the like. They lie in a checkpoint's
 * directory, or in a pack as attachments. Nothing stays open.
 */
public final class TokenizerFiles {
  private static final int MAX_BYTES = 64 << 20;

  private final Path origin;
  private final Source source;

  private TokenizerFiles(Path origin, Source source) {
    this.origin = origin;
    this.source = source;
  }

  private interface Source {
    Optional<byte[]> read(String name) throws IOException;
  }

  /**
   * The attachments of a pack.
   *
   * @param pack open for as long as files are read
   */
  public static TokenizerFiles of(PackReader pack) {
    return new TokenizerFiles(
        pack.path(),
        name -> pack.attachment(name).map(bytes -> bytes.toArray(ValueLayout.JAVA_BYTE)));
  }

  /**
   * The files in a checkpoint's directory, whose weights need not be there.
   *
   * @throws NoSuchFileException when there is no such directory
   */
  public static TokenizerFiles of(Path directory) throws IOException {
    if (!Files.exists(directory)) {
      throw new NoSuchFileException(directory.toString());
    }
    if (!Files.isDirectory(directory)) {
      throw new FileSystemException(
          directory.toString(),
          null,
          "expected a pack or a checkpoint's directory, found another file");
    }
    return new TokenizerFiles(directory, name -> readFile(directory, directory.resolve(name)));
  }

  /** The attachments of the pack, or the files of the checkpoint's directory, of that path. */
  public static TokenizerFiles open(Path packOrDirectory) throws IOException {
    if (!PackReader.isPack(packOrDirectory)) {
      return of(packOrDirectory);
    }
    return new TokenizerFiles(
        packOrDirectory,
        name -> {
          try (PackReader pack = PackReader.open(packOrDirectory)) {
            return of(pack).read(name);
          }
        });
  }

  private static Optional<byte[]> readFile(Path directory, Path file) throws IOException {
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    Checkpoint.requireWithin(directory, file);
    return Optional.of(SmallFile.read(file, MAX_BYTES));
  }

  /** The bytes of a file, where the model has one of that name. */
  public Optional<byte[]> read(String name) throws IOException {
    return source.read(name);
  }

  /** The pack or directory. */
  public Path origin() {
    return origin;
  }

  /** How messages call a file of this model. */
  public Path pathOf(String name) {
    return origin.resolve(name);
  }
}
