package bora.runtime.kernel;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarCodes;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.Zmm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * Assembles the unpacking of a block of codes: sixteen vectors of bytes, four columns of each lane
 * side by side. Which four is whatever costs least; the activations come in the same {@linkplain
 * CodeOrder order}. Blocks of a few panels are unpacked in step, so that what is read once serves
 * the same columns of all.
 *
 * <p>Of {@code q8}, {@code q4} and {@code q2}, whose codes divide bytes, a vector is every byte's
 * code in the same place. Of {@code q6}, {@code q5} and {@code q3}, four neighbouring fields of a
 * word become bytes in one instruction ({@code vpmultishiftqb}). What is left of each word, its
 * highest fields and the bits of the last columns, is first gathered into words of its own.
 */
final class CodeUnpacker {
  /** Vectors of a block. */
  static final int VECTORS = 16;

  /** The most vectors that say where fields start, of {@code q3}. */
  private static final int MAX_CONTROLS = 4;

  private final Encoding encoding;
  private final int bits;
  private final Zmm mask;
  private final int firstControl;
  private final Zmm[] vector;
  private final Zmm[] temporary;
  private final Zmm[] other;
  private final List<int[]> controls = new ArrayList<>();
  private final List<Label> controlLabels = new ArrayList<>();
  private final Label constants = new Label();

  /**
   * @param firstRegister the first of {@code 5 + 3 * panels} vector registers that are the
   *     unpacker's
   * @param panels how many are unpacked in step
   */
  CodeUnpacker(Encoding encoding, int firstRegister, int panels) {
    this.encoding = encoding;
    bits = encoding.codeBits();
    mask = new Zmm(firstRegister);
    firstControl = firstRegister + 1;
    int first = firstControl + MAX_CONTROLS;
    vector = registers(first, panels);
    temporary = registers(first + panels, panels);
    other = registers(first + 2 * panels, panels);
    addControls();
    controls.forEach(_ -> controlLabels.add(new Label()));
  }

  /** Of one panel. */
  CodeUnpacker(Encoding encoding, int firstRegister) {
    this(encoding, firstRegister, 1);
  }

  private static Zmm[] registers(int first, int count) {
    Zmm[] registers = new Zmm[count];
    Arrays.setAll(registers, i -> new Zmm(first + i));
    return registers;
  }

  private void addControls() {
    switch (encoding) {
      case Q6 -> controls.add(fieldStarts(0));
      case Q5, Q3 -> {
        for (int first = 0; first + 4 <= CodeOrder.perWord(bits); first += 4) {
          controls.add(fieldStarts(2 + bits * first));
        }
        for (int first = 0; first < fieldsOfGathered(); first += 4) {
          controls.add(fieldStarts(bits * first));
        }
      }
      default -> {}
    }
  }

  /** Four fields side by side, the first from a bit on: of either half of a word of 64 bits. */
  private int[] fieldStarts(int firstBit) {
    int[] starts = new int[8];
    for (int i = 0; i < starts.length; i++) {
      starts[i] = i / 4 * CodeOrder.WORD_BITS + firstBit + i % 4 * bits;
    }
    return starts;
  }

  /** How many of the words and the pairs of a group are gathered at once: as many as have room. */
  private int gatheredAtOnce() {
    return encoding == Encoding.Q5 ? 2 : bits + 1;
  }

  private int fieldsOfGathered() {
    return encoding == Encoding.Q5 ? 4 : 8;
  }

  /** Assembles the loading of what is the same for all blocks. */
  void prepare(Assembler a) {
    if (encoding != Encoding.Q8) {
      a.vmovdqu32(mask, Address.of(constants));
    }
    for (int i = 0; i < controls.size(); i++) {
      a.vmovdqu32(new Zmm(firstControl + i), Address.of(controlLabels.get(i)));
    }
  }

  /** Assembles the constants, to stand behind the code. */
  void putConstants(Assembler a) {
    a.align(ScalarCodes.UNIT_BYTES);
    a.bind(constants);
    int byteMask = (1 << bits) - 1;
    for (int lane = 0; lane < 16; lane++) {
      a.words(byteMask * 0x01010101);
    }
    for (int i = 0; i < controls.size(); i++) {
      a.bind(controlLabels.get(i));
      for (int j = 0; j < ScalarCodes.UNIT_BYTES; j++) {
        a.bytes((byte) controls.get(i)[j % 8]);
      }
    }
  }

  /** Groups of a block, to be unpacked one by one. */
  int groups() {
    return switch (encoding) {
      case Q8, Q4, Q2 -> ScalarCodes.unitCount(encoding);
      case Q6 -> 4;
      case Q5, Q3 -> 2;
      default -> throw new AssertionError(encoding);
    };
  }

  /** Where the codes are. */
  interface UnitAddress {
    /** Of a unit of a panel's block. */
    Address of(int panel, int unit);
  }

  /** What is done with a vector of each panel. */
  interface VectorUse {
    /**
     * @param index of the vector in its block
     * @param codes the panels' registers, free again behind the use
     */
    void assemble(int index, Zmm[] codes);
  }

  /** Assembles the unpacking of a group. */
  void unpack(Assembler a, int group, UnitAddress units, VectorUse use) {
    int firstVector = VECTORS / groups() * group;
    int firstUnit = ScalarCodes.unitCount(encoding) / groups() * group;
    UnitAddress words = (panel, word) -> units.of(panel, firstUnit + word);
    switch (encoding) {
      case Q8, Q4, Q2 -> unpackPlaces(a, firstVector, words, use);
      case Q6 -> unpackSixBits(a, firstVector, words, use);
      case Q5, Q3 -> unpackPaired(a, firstVector, words, use);
      default -> throw new AssertionError(encoding);
    }
  }

  private void each(IntConsumer panel) {
    for (int p = 0; p < vector.length; p++) {
      panel.accept(p);
    }
  }

  private void unpackPlaces(Assembler a, int firstVector, UnitAddress words, VectorUse use) {
    Zmm[] loaded = encoding == Encoding.Q8 ? vector : temporary;
    each(p -> a.vmovdqu32(loaded[p], words.of(p, 0)));
    for (int place = 0; place < Byte.SIZE / bits; place++) {
      int bit = bits * place;
      if (bit > 0) {
        each(p -> a.vpsrld(vector[p], loaded[p], bit));
      }
      if (bits < Byte.SIZE) {
        each(p -> a.vpandd(vector[p], bit > 0 ? vector[p] : loaded[p], mask));
      }
      use.assemble(firstVector + place, vector);
    }
  }

  private void unpackSixBits(Assembler a, int firstVector, UnitAddress words, VectorUse use) {
    for (int word = 0; word < 3; word++) {
      int w = word;
      each(p -> a.vpmultishiftqb(vector[p], new Zmm(firstControl), words.of(p, w)));
      each(p -> a.vpandd(vector[p], vector[p], mask));
      use.assemble(firstVector + word, vector);
    }
    // The bits above the third word's fields, then those of the second and the first, make the last
    // column; the highest bytes of the words have a field each.
    each(p -> a.vmovdqu32(other[p], words.of(p, 2)));
    each(p -> a.vpsrld(temporary[p], other[p], 30));
    for (int word = 1; word >= 0; word--) {
      int w = word;
      each(p -> a.vmovdqu32(vector[p], words.of(p, w)));
      each(p -> a.vpshldd(temporary[p], temporary[p], vector[p], 2));
    }
    each(p -> a.vpshldd(temporary[p], temporary[p], other[p], 8));
    each(p -> a.vmovdqu32(other[p], words.of(p, 1)));
    each(p -> a.vpshldd(temporary[p], temporary[p], other[p], 8));
    each(p -> a.vpshldd(temporary[p], temporary[p], vector[p], 8));
    each(p -> a.vpandd(vector[p], temporary[p], mask));
    use.assemble(firstVector + 3, vector);
  }

  private void unpackPaired(Assembler a, int firstVector, UnitAddress words, VectorUse use) {
    int index = firstVector;
    int ofWord = CodeOrder.perWord(bits) / 4;
    for (int j = 0; j < bits; j++) {
      int word = j;
      for (int i = 0; i < ofWord; i++) {
        Zmm control = new Zmm(firstControl + i);
        each(p -> a.vpmultishiftqb(vector[p], control, words.of(p, word)));
        each(p -> a.vpandd(vector[p], vector[p], mask));
        use.assemble(index++, vector);
      }
    }
    for (int first = 0; first <= bits; first += gatheredAtOnce()) {
      gather(a, first, Math.min(bits + 1, first + gatheredAtOnce()), words);
      for (int i = 0; 4 * i < fieldsOfGathered(); i++) {
        Zmm control = new Zmm(firstControl + ofWord + i);
        each(p -> a.vpmultishiftqb(vector[p], control, temporary[p]));
        each(p -> a.vpandd(vector[p], vector[p], mask));
        use.assemble(index++, vector);
      }
    }
  }

  /**
   * Puts what is left of some words side by side, the first lowest; behind the last word the pairs.
   */
  private void gather(Assembler a, int first, int end, UnitAddress words) {
    int leftBits = bits * CodeOrder.leftOfWord(bits);
    int next = end - 1;
    if (end > bits) {
      // The lowest two bits of the words, those of the first word highest, are the last two codes.
      each(p -> a.vmovdqu32(temporary[p], words.of(p, bits - 1)));
      each(p -> a.vpslld(temporary[p], temporary[p], CodeOrder.PAIRED_BITS));
      for (int j = bits - 2; j >= 0; j--) {
        int word = j;
        each(p -> a.vmovdqu32(vector[p], words.of(p, word)));
        each(
            p ->
                a.vpshrdd(
                    temporary[p],
                    temporary[p],
                    vector[p],
                    CodeOrder.WORD_BITS - CodeOrder.PAIRED_BITS));
      }
      each(p -> a.vpsrld(temporary[p], temporary[p], CodeOrder.WORD_BITS - 2 * bits));
    } else {
      each(p -> a.vmovdqu32(temporary[p], words.of(p, next)));
      each(p -> a.vpsrld(temporary[p], temporary[p], CodeOrder.WORD_BITS - leftBits));
    }
    for (int j = next - 1; j >= first; j--) {
      int word = j;
      each(p -> a.vmovdqu32(vector[p], words.of(p, word)));
      each(p -> a.vpshldd(temporary[p], temporary[p], vector[p], leftBits));
    }
  }
}
