package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;
import static bora.runtime.machine.Gpr.RSI;

import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Gpr;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;

/**
 * Assembles the kernels of attention for one to four rows: every sum is one chain of fused
 * multiply-additions in the order of {@link AttentionKernels}, so the bits are the same.
 *
 * <p>Keys and values are asked for before they are needed, since a run of positions is too short
 * for the processor to guess at them.
 */
final class AttentionCode {
  /** The most rows at once. */
  static final int MAX_ROWS = 4;

  // Parameters: offsets and strides in bytes.
  /** Where in the first array the first row's queries or weights are. */
  static final int ROWS_OFFSET = 0;

  /** From one row to the next. */
  static final int ROWS_STRIDE = 8;

  /** Where in the second array the keys or values begin. */
  static final int CACHE_OFFSET = 16;

  /** Where in the third array the first row's scores or sums are. */
  static final int RESULTS_OFFSET = 24;

  /** From one row of scores to the next. */
  static final int RESULTS_STRIDE = 32;

  /** Words of a key, or bytes of a value. */
  static final int KEY_WORDS = 40;

  static final int VALUE_BYTES = 40;

  /** Blocks of keys, or values, at least one. */
  static final int COUNT = 48;

  /** Whole chunks of a value's vectors. */
  static final int CHUNKS = 56;

  /** Whether there are vectors behind the whole chunks, and a mask for each. */
  static final int REST = 64;

  static final int REST_MASKS = 72;

  // Places that the code keeps addresses in.
  private static final int FIRST_ROW = 104;
  private static final int FIRST_VALUE = 112;

  private static final int VECTOR_BYTES = 64;
  private static final int BLOCK_BYTES = Kernels.KEYS_PER_BLOCK * Float.BYTES;
  private static final int PREFETCH_BYTES = 2048;

  /** How many values ahead their lines are asked for. */
  private static final int PREFETCH_VALUES = 8;

  private static final MaskRegister[] MASKS = {
    MaskRegister.K1, MaskRegister.K2, MaskRegister.K3, MaskRegister.K4
  };

  private final Assembler a = new Assembler();
  private final int rows;
  private final boolean bfloat16;
  private final Label highHalf = new Label();

  private final Zmm[] words = {new Zmm(16), new Zmm(17), new Zmm(18), new Zmm(19)};
  private final Zmm[] halves = {new Zmm(20), new Zmm(21), new Zmm(22), new Zmm(23)};
  private final Zmm factor = new Zmm(24);
  private final Zmm highHalves = new Zmm(25);

  private AttentionCode(int rows, boolean bfloat16) {
    this.rows = rows;
    this.bfloat16 = bfloat16;
  }

  /**
   * {@link Kernels#scores}.
   *
   * @param rows 1 to {@link #MAX_ROWS}
   */
  static MachineCode scores(int rows, boolean bfloat16) {
    AttentionCode code = new AttentionCode(rows, bfloat16);
    code.assembleScores();
    return MachineCode.of(code.a);
  }

  /**
   * {@link Kernels#addWeighted}.
   *
   * @param rows 1 to {@link #MAX_ROWS}
   */
  static MachineCode addWeighted(int rows, boolean bfloat16) {
    AttentionCode code = new AttentionCode(rows, bfloat16);
    code.assembleAddWeighted();
    return MachineCode.of(code.a);
  }

  /** Vectors of words that are added at once. */
  static int chunkVectors(boolean bfloat16) {
    return bfloat16 ? 2 : 4;
  }

  private static Zmm sum(int row, int vector) {
    return new Zmm(4 * row + vector);
  }

  /** The same place in another row, of a stride and three times that. */
  private static Address inRow(int row, Gpr base, Gpr stride, Gpr three, int offset) {
    return switch (row) {
      case 0 -> Address.of(base, offset);
      case 1 -> Address.of(base, stride, 1, offset);
      case 2 -> Address.of(base, stride, 2, offset);
      case 3 -> Address.of(base, three, 1, offset);
      default -> throw new AssertionError(row);
    };
  }

  private void begin() {
    a.add(RSI, Address.of(RDI, ROWS_OFFSET));
    a.add(RDX, Address.of(RDI, CACHE_OFFSET));
    a.add(RCX, Address.of(RDI, RESULTS_OFFSET));
    a.mov(R8, Address.of(RDI, ROWS_STRIDE));
    a.lea(R9, Address.of(R8, R8, 2, 0));
    if (bfloat16) {
      a.vpbroadcastd(highHalves, Address.of(highHalf));
    }
  }

  private void end() {
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    a.bind(highHalf);
    a.words(0xFFFF_0000);
  }

  private void assembleScores() {
    begin();
    a.mov(Address.of(RDI, FIRST_ROW), RSI);
    a.mov(R11, Address.of(RDI, COUNT));
    Label block = new Label();
    a.bind(block);
    for (int row = 0; row < rows; row++) {
      clear(sum(row, 0));
      clear(sum(row, 1));
    }
    a.mov(R10, Address.of(RDI, KEY_WORDS));
    if (bfloat16) {
      a.lea(RAX, Address.of(RSI, R10, Float.BYTES, 0));
    }
    Label word = new Label();
    a.bind(word);
    for (int vector = 0; vector < 2; vector++) {
      int offset = vector * VECTOR_BYTES;
      a.vmovups(words[vector], Address.of(RDX, offset));
      a.prefetcht0(Address.of(RDX, PREFETCH_BYTES + offset));
    }
    if (bfloat16) {
      for (int vector = 0; vector < 2; vector++) {
        a.vpslld(halves[vector], words[vector], Short.SIZE);
        a.vpandd(words[vector], words[vector], highHalves);
      }
      addProducts(RSI, halves);
      addProducts(RAX, words);
      a.add(RAX, Float.BYTES);
    } else {
      addProducts(RSI, words);
    }
    a.add(RSI, Float.BYTES);
    a.add(RDX, BLOCK_BYTES);
    a.dec(R10);
    a.jnz(word);
    a.mov(RAX, Address.of(RDI, RESULTS_STRIDE));
    a.lea(R10, Address.of(RAX, RAX, 2, 0));
    for (int row = 0; row < rows; row++) {
      for (int vector = 0; vector < 2; vector++) {
        a.vmovups(inRow(row, RCX, RAX, R10, vector * VECTOR_BYTES), sum(row, vector));
      }
    }
    a.add(RCX, BLOCK_BYTES);
    a.mov(RSI, Address.of(RDI, FIRST_ROW));
    a.dec(R11);
    a.jnz(block);
    end();
  }

  /** Adds the products of a component of each row's query and of two vectors of keys. */
  private void addProducts(Gpr queries, Zmm[] keys) {
    for (int row = 0; row < rows; row++) {
      a.vpbroadcastd(factor, inRow(row, queries, R8, R9, 0));
      a.vfmadd231ps(sum(row, 0), keys[0], factor);
      a.vfmadd231ps(sum(row, 1), keys[1], factor);
    }
  }

  private void assembleAddWeighted() {
    begin();
    a.mov(Address.of(RDI, FIRST_ROW), RSI);
    a.mov(Address.of(RDI, FIRST_VALUE), RDX);
    for (int vector = 0; vector < chunkVectors(bfloat16); vector++) {
      a.mov(RAX, Address.of(RDI, REST_MASKS + Long.BYTES * vector));
      a.kmovw(MASKS[vector], RAX);
    }
    a.mov(R10, Address.of(RDI, VALUE_BYTES));
    Label chunk = new Label();
    Label rest = new Label();
    Label end = new Label();
    a.mov(RAX, Address.of(RDI, CHUNKS));
    a.test(RAX, RAX);
    a.jz(rest);
    a.bind(chunk);
    addChunk(false);
    a.mov(RAX, Address.of(RDI, CHUNKS));
    a.dec(RAX);
    a.mov(Address.of(RDI, CHUNKS), RAX);
    a.jnz(chunk);
    a.bind(rest);
    a.mov(RAX, Address.of(RDI, REST));
    a.test(RAX, RAX);
    a.jz(end);
    addChunk(true);
    a.bind(end);
    end();
  }

  /** Adds all values to a chunk of the sums, and goes on to the next. */
  private void addChunk(boolean masked) {
    int vectors = chunkVectors(bfloat16);
    forEachSum(
        (address, mask, sum) -> {
          if (masked) {
            a.vmovups(sum, mask, address);
          } else {
            a.vmovups(sum, address);
          }
        });
    a.mov(R11, Address.of(RDI, COUNT));
    Label value = new Label();
    a.bind(value);
    for (int vector = 0; vector < vectors; vector++) {
      Address address = Address.of(RDX, vector * VECTOR_BYTES);
      if (masked) {
        a.vmovups(words[vector], MASKS[vector], address);
      } else {
        a.vmovups(words[vector], address);
      }
      // Also for the chunk that follows.
      a.prefetcht0(Address.of(RDX, R10, PREFETCH_VALUES, vector * VECTOR_BYTES));
      a.prefetcht0(Address.of(RDX, R10, PREFETCH_VALUES, (vectors + vector) * VECTOR_BYTES));
    }
    if (bfloat16) {
      for (int vector = 0; vector < vectors; vector++) {
        a.vpslld(halves[vector], words[vector], Short.SIZE);
        a.vpandd(halves[vectors + vector], words[vector], highHalves);
      }
    }
    Zmm[] values = bfloat16 ? halves : words;
    for (int row = 0; row < rows; row++) {
      a.vpbroadcastd(factor, inRow(row, RSI, R8, R9, 0));
      for (int vector = 0; vector < values.length; vector++) {
        a.vfmadd231ps(sum(row, vector), values[vector], factor);
      }
    }
    a.add(RSI, Float.BYTES);
    a.add(RDX, R10);
    a.dec(R11);
    a.jnz(value);
    forEachSum((address, mask, sum) -> a.vmovups(address, masked ? mask : MaskRegister.ALL, sum));
    // Back to the first weight, and on to the next chunk of the first value and of the sums.
    a.mov(RSI, Address.of(RDI, FIRST_ROW));
    a.mov(RDX, Address.of(RDI, FIRST_VALUE));
    a.add(RDX, vectors * VECTOR_BYTES);
    a.mov(Address.of(RDI, FIRST_VALUE), RDX);
    a.add(RCX, vectors * VECTOR_BYTES);
  }

  /** What is done with a vector of sums. */
  private interface SumUse {
    void assemble(Address address, MaskRegister mask, Zmm sum);
  }

  /** Of bf16, the components of the upper halves are half a head further. */
  private void forEachSum(SumUse use) {
    int vectors = chunkVectors(bfloat16);
    a.lea(RAX, Address.of(R10, R10, 2, 0));
    if (bfloat16) {
      a.lea(R11, Address.of(RCX, R10, 1, 0));
    }
    for (int row = 0; row < rows; row++) {
      for (int vector = 0; vector < vectors; vector++) {
        int offset = vector * VECTOR_BYTES;
        if (bfloat16) {
          use.assemble(ofRowOfSums(row, RCX, offset), MASKS[vector], sum(row, vector));
          use.assemble(ofRowOfSums(row, R11, offset), MASKS[vector], sum(row, vectors + vector));
        } else {
          use.assemble(inRow(row, RCX, R10, RAX, offset), MASKS[vector], sum(row, vector));
        }
      }
    }
  }

  /** Rows of sums of bf16 are two values long. */
  private static Address ofRowOfSums(int row, Gpr base, int offset) {
    return switch (row) {
      case 0 -> Address.of(base, offset);
      case 1 -> Address.of(base, R10, 2, offset);
      case 2 -> Address.of(base, R10, 4, offset);
      case 3 -> Address.of(base, RAX, 2, offset);
      default -> throw new AssertionError(row);
    };
  }

  private void clear(Zmm register) {
    a.vpxord(register, register, register);
  }
}
