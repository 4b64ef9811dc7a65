package bora.converter.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A command run in this process.
 *
 * @param exitCode what a shell would see
 */
record CommandLineRun(int exitCode, String out, String err) {
  static CommandLineRun of(Object... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] words = Arrays.stream(arguments).map(String::valueOf).toArray(String[]::new);
    int exitCode = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), words);
    return new CommandLineRun(exitCode, out.toString(), err.toString());
  }

  /** A directory at the root of the repository. */
  static Path example(String name) {
    Path directory = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(directory.resolve("examples"))) {
      directory = directory.getParent();
    }
    return directory.resolve("examples").resolve(name);
  }

  /**
   * A checkpoint of random weights, a hundred times smaller than the examples, with what
   * transformers computed of it; {@link GeometryTest} says which there are.
   */
  static Path geometry(String name) {
    try {
      return Path.of(
              CommandLineRun.class
                  .getResource("/bora/converter/geometries/" + name + "/config.json")
                  .toURI())
          .getParent();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
