package bora.runtime.kernel;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import java.util.ArrayList;
import java.util.List;

/** In which order {@link CodeUnpacker} leaves the columns of a block. */
final class CodeOrder {
  /** Of a word of {@code q5} and {@code q3}, the bits that are whole codes. */
  static final int PAIRED_BITS = 30;

  static final int WORD_BITS = 32;

  private final Encoding encoding;
  private final int bits;
  private final List<Integer> columns = new ArrayList<>();

  private CodeOrder(Encoding encoding) {
    this.encoding = encoding;
    bits = encoding.codeBits();
  }

  /**
   * The column of each byte of the block's vectors: byte b of a lane of vector v at {@code 4v + b}.
   */
  static byte[] of(Encoding encoding) {
    CodeOrder order = new CodeOrder(encoding);
    order.addAll();
    byte[] columns = new byte[order.columns.size()];
    for (int i = 0; i < columns.length; i++) {
      columns[i] = order.columns.get(i).byteValue();
    }
    return columns;
  }

  /** The column of the field, if any, that begins at bit i of unit u: at {@code 32u + i}. */
  private static int[] columnsByBit(Encoding encoding) {
    int[] columns = new int[ScalarCodes.unitCount(encoding) * WORD_BITS];
    for (int column = 0; column < ScalarGrid.COLUMNS_PER_BLOCK; column++) {
      for (ScalarCodes.Field field : ScalarCodes.fields(encoding, column)) {
        columns[field.unit() * WORD_BITS + field.wordBit()] = column;
      }
    }
    return columns;
  }

  /** Of {@code q5} and {@code q3}, the whole codes of a word. */
  static int perWord(int bits) {
    return PAIRED_BITS / bits;
  }

  /** Those of them that make no whole vector. */
  static int leftOfWord(int bits) {
    return perWord(bits) % 4;
  }

  private void addAll() {
    switch (encoding) {
      case Q8, Q4, Q2 -> addByPlace();
      case Q6 -> {
        for (int group = 0; group < 64; group += 16) {
          for (int word = 0; word < 3; word++) {
            add(group + 5 * word, 4, 1);
          }
          add(group + 4, 3, 5);
          add(group + 15, 1, 1);
        }
      }
      case Q5, Q3 -> {
        addPaired(0);
        addPaired(32);
      }
      default -> throw new AssertionError(encoding);
    }
  }

  private void addByPlace() {
    int[] byBit = columnsByBit(encoding);
    for (int word = 0; word < byBit.length; word += WORD_BITS) {
      for (int place = 0; place < Byte.SIZE; place += bits) {
        for (int bit = place; bit < WORD_BITS; bit += Byte.SIZE) {
          columns.add(byBit[word + bit]);
        }
      }
    }
  }

  private void addPaired(int group) {
    int perWord = perWord(bits);
    int whole = perWord - leftOfWord(bits);
    for (int word = 0; word < bits; word++) {
      add(group + perWord * word, whole, 1);
    }
    for (int word = 0; word < bits; word++) {
      add(group + perWord * word + whole, leftOfWord(bits), 1);
    }
    add(group + PAIRED_BITS, 2, 1);
  }

  private void add(int first, int count, int distance) {
    for (int i = 0; i < count; i++) {
      columns.add(first + distance * i);
    }
  }
}
