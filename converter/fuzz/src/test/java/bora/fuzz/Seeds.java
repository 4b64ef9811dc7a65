package bora.fuzz;

import java.io.IOException;
import java.io.InputStream;

/** Honest files of a model with one layer of four columns, from which fuzzing sets out. */
final class Seeds {
  private Seeds() {}

  /** The input of a fuzz test that is not hostile. */
  static byte[] honest(Class<?> test) throws IOException {
    return read(test.getSimpleName() + "Inputs/isReadOrRefused/honest");
  }

  /**
   * @param name a resource of this package
   */
  static byte[] read(String name) throws IOException {
    try (InputStream in = Seeds.class.getResourceAsStream(name)) {
      return in.readAllBytes();
    }
  }
}
