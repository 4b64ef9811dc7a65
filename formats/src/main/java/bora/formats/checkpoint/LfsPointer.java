package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import java.nio.charset.StandardCharsets;

/** What a checkout without Git LFS has in place of a weight file. */
final class LfsPointer {
  private static final byte[] BEGINNING =
      "version https://git-lfs".getBytes(StandardCharsets.US_ASCII);

  private LfsPointer() {}

  /**
   * @throws CorruptFileException when the file is such a pointer, saying how to get the weights
   */
  static void refuse(MappedFile file) throws CorruptFileException {
    if (MappedFile.hasAt(file.bytes(), 0, BEGINNING)) {
      throw new CorruptFileException(
          file.path(),
          "expected weights, found a Git LFS pointer; run `git lfs pull` in the checkpoint's"
              + " directory");
    }
  }
}
