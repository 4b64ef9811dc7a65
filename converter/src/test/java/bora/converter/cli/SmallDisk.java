package bora.converter.cli;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** A file system in memory with room for so many bytes, where this process may mount one. */
final class SmallDisk implements AutoCloseable {
  private final Path directory;

  private SmallDisk(Path directory) {
    this.directory = directory;
  }

  /** Skips the test where mounting is refused. */
  static SmallDisk mount(Path directory, long bytes) throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/mount")), "needs mount");
    String options = "size=" + bytes;
    assumeTrue(
        run("mount", "-t", "tmpfs", "-o", options, "none", directory.toString()) == 0,
        "this process may mount nothing");
    return new SmallDisk(directory);
  }

  private static int run(String... command) throws IOException {
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .start()
        .onExit()
        .join()
        .exitValue();
  }

  List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.toList();
    }
  }

  @Override
  public void close() throws IOException {
    if (run("umount", directory.toString()) != 0) {
      throw new IOException(directory + ": cannot be unmounted");
    }
  }
}
