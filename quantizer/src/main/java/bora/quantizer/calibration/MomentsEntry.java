package bora.quantizer.calibration;

import bora.formats.CorruptFileException;
import bora.formats.encoding.LittleEndian;
import bora.formats.model.TensorKey;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/** Where the moments of one input stand: float32 lower triangles, row by row, block by block. */
record MomentsEntry(
    TensorKey reader, int columns, long rows, long offsetBytes, long lengthBytes, int crc32c) {
  private static final int CHUNK_BYTES = 1 << 16;

  /**
   * Bytes of the moments of an input.
   *
   * @param columns at least 1
   */
  static long bytesOf(int columns) {
    int blockColumns = SecondMoments.blockColumns(columns);
    long whole = Math.multiplyExact(columns / blockColumns, triangle(blockColumns));
    long values = Math.addExact(whole, triangle(columns % blockColumns));
    return Math.multiplyExact(values, (long) Float.BYTES);
  }

  private static long triangle(long width) {
    return width * (width + 1) / 2;
  }

  /**
   * @param bytes the entry's
   * @throws CorruptFileException when they are not those that were written, or no numbers
   */
  SecondMoments read(Path file, MemorySegment bytes) throws CorruptFileException {
    requireWritten(file, bytes);
    int blockColumns = SecondMoments.blockColumns(columns);
    List<double[][]> blocks = new ArrayList<>();
    long position = 0;
    for (int first = 0; first < columns; first += blockColumns) {
      double[][] block = new double[Math.min(blockColumns, columns - first)][];
      for (int i = 0; i < block.length; i++) {
        block[i] = new double[i + 1];
        for (int j = 0; j <= i; j++) {
          float value = bytes.get(LittleEndian.FLOAT, position);
          if (!Float.isFinite(value)) {
            throw new CorruptFileException(
                file, "moments of " + reader + ": expected finite numbers, found " + value);
          }
          block[i][j] = value;
          position += Float.BYTES;
        }
      }
      blocks.add(block);
    }
    return new SecondMoments(rows, blocks);
  }

  private void requireWritten(Path file, MemorySegment bytes) throws CorruptFileException {
    CRC32C crc = new CRC32C();
    // Of copies: where a mapped file was cut short, the processor's own instructions for checksums
    // would end the virtual machine.
    byte[] chunk = new byte[CHUNK_BYTES];
    for (long done = 0; done < bytes.byteSize(); done += chunk.length) {
      int length = (int) Math.min(chunk.length, bytes.byteSize() - done);
      MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, done, chunk, 0, length);
      crc.update(chunk, 0, length);
    }
    if ((int) crc.getValue() != crc32c) {
      throw new CorruptFileException(
          file,
          "moments of "
              + reader
              + ": checksum: expected "
              + crc32c
              + ", found "
              + (int) crc.getValue());
    }
  }
}
