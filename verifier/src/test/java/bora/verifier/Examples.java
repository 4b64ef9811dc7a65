package bora.verifier;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** Finds the example checkpoints: in this project, or in a folder shared beside it. */
final class Examples {
  private Examples() {}

  /** The directory of an example; skips the test where there is none. */
  static Path directory(String name) {
    for (Path at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
      for (String folder : new String[] {"examples", "shared/models"}) {
        Path example = at.resolve(folder).resolve(name);
        if (Files.exists(example.resolve("config.json"))) {
          return example;
        }
      }
    }
    return Assumptions.abort("no example checkpoint " + name + " here or beside this project");
  }
}
