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
 * highest fields and the bits of the last columns, is first gathered into words of its own: by
 * plain shifts and {@code vpternlogd}, since on Zen 5 shifts of two registers ({@code vpshldd}) and
 * rotations wait for the units that multiply. A word is loaded once.
 */
final class CodeUnpacker {
  /** Vectors of a block. */
  static final int VECTORS = 16;

  private static final int WORD_BITS = CodeOrder.WORD_BITS;

  /** The first bit of a word's highest byte. */
  private static final int HIGHEST_BYTE = WORD_BITS - Byte.SIZE;

  private final Encoding encoding;
  private final int bits;

  private final List<Constant> constants = new ArrayList<>();

  /** Of every byte. */
  private final Zmm codeMask;

  /** Where four fields start, of {@code vpmultishiftqb}. */
  private final List<Zmm> fieldStarts = new ArrayList<>();

  /**
   * Of {@code q6}, the bytes that the highest of the first two words come to, then the places of
   * the three pairs; of {@code q5} and {@code q3}, a pair, then what is left of a word.
   */
  private final List<Zmm> bitMasks = new ArrayList<>();

  private final Zmm[] vector;
  private final Zmm[] word;
  private final Zmm[] gathered;
  private final Zmm[] pairs;
  private int nextRegister;

  /** What stands in a register for all blocks, in each word of 64 bits. */
  private record Constant(Zmm register, Label label, long word) {}

  /**
   * @param firstRegister the first of the vector registers that are the unpacker's: for two panels
   *     up to fifteen
   * @param panels how many are unpacked in step, at most two
   */
  CodeUnpacker(Encoding encoding, int firstRegister, int panels) {
    this.encoding = encoding;
    bits = encoding.codeBits();
    nextRegister = firstRegister;
    codeMask = constant(0x0101010101010101L * ((1 << bits) - 1));
    addConstants();
    vector = registers(panels);
    word = registers(panels);
    boolean inPlaces = Byte.SIZE % bits == 0;
    gathered = inPlaces ? null : registers(panels);
    pairs = encoding == Encoding.Q5 || encoding == Encoding.Q3 ? registers(panels) : null;
  }

  private Zmm nextRegister() {
    return new Zmm(nextRegister++);
  }

  private Zmm[] registers(int count) {
    Zmm[] registers = new Zmm[count];
    Arrays.setAll(registers, _ -> nextRegister());
    return registers;
  }

  private void addConstants() {
    switch (encoding) {
      case Q6 -> {
        addFieldStarts(0);
        addBitMask(0xFF);
        addBitMask(0xFF00);
        for (int pair = 0; pair < 3; pair++) {
          addBitMask(3 << (HIGHEST_BYTE + 2 * pair));
        }
      }
      case Q5, Q3 -> {
        for (int first = 0; first + 4 <= CodeOrder.perWord(bits); first += 4) {
          addFieldStarts(2 + bits * first);
        }
        int firstBit = WORD_BITS - bits * fieldsOfGathered();
        for (int first = 0; first < fieldsOfGathered(); first += 4) {
          addFieldStarts(firstBit + bits * first);
        }
        addBitMask(3);
        addBitMask(-1 << (WORD_BITS - leftBits()));
      }
      default -> {}
    }
  }

  /** Four fields side by side, the first from a bit on: of either half of a word of 64 bits. */
  private void addFieldStarts(int firstBit) {
    long starts = 0;
    for (int i = 0; i < Long.BYTES; i++) {
      int start = i / 4 * WORD_BITS + firstBit + i % 4 * bits;
      starts |= (long) start << (Byte.SIZE * i);
    }
    fieldStarts.add(constant(starts));
  }

  private void addBitMask(int mask) {
    bitMasks.add(constant((mask & 0xFFFF_FFFFL) | (long) mask << WORD_BITS));
  }

  private Zmm constant(long word) {
    Zmm register = nextRegister();
    constants.add(new Constant(register, new Label(), word));
    return register;
  }

  /** How many of the words and the pairs of a group are gathered at once: as many as have room. */
  private int gatheredAtOnce() {
    return encoding == Encoding.Q5 ? 2 : bits + 1;
  }

  private int fieldsOfGathered() {
    return encoding == Encoding.Q5 ? 4 : 8;
  }

  /** Bits of what no whole vector is made of, of a word, and of all words' pairs. */
  private int leftBits() {
    return bits * CodeOrder.leftOfWord(bits);
  }

  /** One of two registers that are free before and behind a group. */
  Zmm idle(int index) {
    return index == 0 ? vector[0] : word[0];
  }

  /** Assembles the loading of what is the same for all blocks. */
  void prepare(Assembler a) {
    constants.forEach(c -> a.vbroadcastsd(c.register, Address.of(c.label)));
  }

  /** Assembles the constants, to stand behind the code. */
  void putConstants(Assembler a) {
    a.align(Long.BYTES);
    for (Constant constant : constants) {
      a.bind(constant.label);
      a.words((int) constant.word, (int) (constant.word >>> WORD_BITS));
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
    Zmm[] loaded = encoding == Encoding.Q8 ? vector : word;
    each(p -> a.vmovdqu32(loaded[p], words.of(p, 0)));
    for (int place = 0; place < Byte.SIZE / bits; place++) {
      int bit = bits * place;
      if (bit > 0) {
        each(p -> a.vpsrld(vector[p], loaded[p], bit));
      }
      if (bits < Byte.SIZE) {
        each(p -> a.vpandd(vector[p], bit > 0 ? vector[p] : loaded[p], codeMask));
      }
      use.assemble(firstVector + place, vector);
    }
  }

  private void unpackSixBits(Assembler a, int firstVector, UnitAddress words, VectorUse use) {
    for (int w = 2; w >= 0; w--) {
      int unit = w;
      Zmm[] loaded = w == 2 ? gathered : word;
      each(p -> a.vmovdqu32(loaded[p], words.of(p, unit)));
      useFields(a, 0, loaded, firstVector + w, use);
      // The highest bytes have a field each, and above it two bits of the last column.
      each(p -> a.vpsrld(loaded[p], loaded[p], HIGHEST_BYTE - Byte.SIZE * unit));
      if (w < 2) {
        each(p -> a.copyMasked(gathered[p], word[p], bitMasks.get(unit)));
      }
    }
    for (int pair = 0; pair < 3; pair++) {
      int from = Byte.SIZE * pair + 6;
      int to = HIGHEST_BYTE + 2 * pair;
      Zmm mask = bitMasks.get(2 + pair);
      each(p -> a.vpslld(word[p], gathered[p], to - from));
      each(p -> a.orMasked(gathered[p], word[p], mask));
    }
    each(p -> a.vpandd(vector[p], gathered[p], codeMask));
    use.assemble(firstVector + 3, vector);
  }

  private void unpackPaired(Assembler a, int firstVector, UnitAddress words, VectorUse use) {
    int ofWord = CodeOrder.perWord(bits) / 4;
    int nextGathered = firstVector + bits * ofWord;
    for (int w = 0; w < bits; w++) {
      int unit = w;
      boolean first = w % gatheredAtOnce() == 0;
      Zmm[] loaded = first ? gathered : word;
      each(p -> a.vmovdqu32(loaded[p], words.of(p, unit)));
      for (int i = 0; i < ofWord; i++) {
        useFields(a, i, loaded, firstVector + w * ofWord + i, use);
      }
      if (w == 0) {
        each(p -> a.vmovdqu32(pairs[p], words.of(p, 0)));
      } else {
        addPair(a, loaded);
      }
      if (!first) {
        each(p -> a.vpsrld(gathered[p], gathered[p], leftBits()));
        each(p -> a.orMasked(gathered[p], word[p], bitMasks.get(1)));
      }
      if ((w + 1) % gatheredAtOnce() == 0) {
        nextGathered = useGathered(a, nextGathered, use);
      }
    }
    each(p -> a.vpslld(pairs[p], pairs[p], WORD_BITS - 2 * bits));
    each(p -> a.vpsrld(gathered[p], gathered[p], leftBits()));
    each(p -> a.vpord(gathered[p], gathered[p], pairs[p]));
    useGathered(a, nextGathered, use);
  }

  /** The lowest two bits of the words, those of the first word highest, are the last two codes. */
  private void addPair(Assembler a, Zmm[] loaded) {
    each(p -> a.vpslld(pairs[p], pairs[p], 2));
    each(p -> a.orMasked(pairs[p], loaded[p], bitMasks.get(0)));
  }

  /**
   * What is left of some words, side by side in the highest bits, the first lowest; returns the
   * index of the next vector.
   */
  private int useGathered(Assembler a, int index, VectorUse use) {
    int ofWord = CodeOrder.perWord(bits) / 4;
    int vectors = fieldsOfGathered() / 4;
    for (int i = 0; i < vectors; i++) {
      useFields(a, ofWord + i, gathered, index + i, use);
    }
    return index + vectors;
  }

  private void useFields(Assembler a, int starts, Zmm[] from, int index, VectorUse use) {
    each(p -> a.vpmultishiftqb(vector[p], fieldStarts.get(starts), from[p]));
    each(p -> a.vpandd(vector[p], vector[p], codeMask));
    use.assemble(index, vector);
  }
}
