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

  /** From one row of scores or sums to the next. */
  static final int RESULTS_STRIDE = 32;

  /** Components of a key, or bytes of a value. */
  static final int KEY_COMPONENTS = 40;

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
  private static final int SCORES_BYTES = Kernels.KEYS_PER_BLOCK * Float.BYTES;

  /** Vectors of components that are added to at once. */
  static final int CHUNK_VECTORS = 4;

  private static final int LINE_BYTES = 64;
  private static final int PREFETCH_BYTES = 2048;

  /** How many values ahead their lines are asked for. */
  private static final int PREFETCH_VALUES = 8;

  private static final MaskRegister[] MASKS = {
    MaskRegister.K1, MaskRegister.K2, MaskRegister.K3, MaskRegister.K4
  };

  private final Assembler a = new Assembler();
  private final int rows;
  private final CacheFormat format;

  /** Of a vector's components as they are kept. */
  private final int keptBytes;

  private final Zmm[] loaded = {new Zmm(16), new Zmm(17), new Zmm(18), new Zmm(19)};
  private final Zmm factor = new Zmm(20);

  private AttentionCode(int rows, CacheFormat format) {
    this.rows = rows;
    this.format = format;
    keptBytes = VECTOR_BYTES / Float.BYTES * format.bytes();
  }

  /**
   * {@link Kernels#scores}.
   *
   * @param rows 1 to {@link #MAX_ROWS}
   */
  static MachineCode scores(int rows, CacheFormat format) {
    AttentionCode code = new AttentionCode(rows, format);
    code.assembleScores();
    return MachineCode.of(code.a);
  }

  /**
   * {@link Kernels#addWeighted}.
   *
   * @param rows 1 to {@link #MAX_ROWS}
   */
  static MachineCode addWeighted(int rows, CacheFormat format) {
    AttentionCode code = new AttentionCode(rows, format);
    code.assembleAddWeighted();
    return MachineCode.of(code.a);
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
  }

  private void end() {
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
  }

  /** Loads components as floats; those outside the mask become zero. */
  private void load(Zmm to, MaskRegister mask, Address from) {
    switch (format) {
      case FLOAT32 -> a.vmovups(to, mask, from);
      case FLOAT16 -> a.vcvtph2ps(to, mask, from);
      case BFLOAT16 -> {
        a.vpmovzxwd(to, mask, from);
        a.vpslld(to, to, Short.SIZE);
      }
    }
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
    a.mov(R10, Address.of(RDI, KEY_COMPONENTS));
    Label component = new Label();
    a.bind(component);
    for (int vector = 0; vector < 2; vector++) {
      load(loaded[vector], MaskRegister.ALL, Address.of(RDX, vector * keptBytes));
    }
    for (int line = 0; line < 2 * keptBytes; line += LINE_BYTES) {
      a.prefetcht0(Address.of(RDX, PREFETCH_BYTES + line));
    }
    for (int row = 0; row < rows; row++) {
      a.vpbroadcastd(factor, inRow(row, RSI, R8, R9, 0));
      a.vfmadd231ps(sum(row, 0), loaded[0], factor);
      a.vfmadd231ps(sum(row, 1), loaded[1], factor);
    }
    a.add(RSI, Float.BYTES);
    a.add(RDX, 2 * keptBytes);
    a.dec(R10);
    a.jnz(component);
    a.mov(RAX, Address.of(RDI, RESULTS_STRIDE));
    a.lea(R10, Address.of(RAX, RAX, 2, 0));
    for (int row = 0; row < rows; row++) {
      for (int vector = 0; vector < 2; vector++) {
        a.vmovups(inRow(row, RCX, RAX, R10, vector * VECTOR_BYTES), sum(row, vector));
      }
    }
    a.add(RCX, SCORES_BYTES);
    a.mov(RSI, Address.of(RDI, FIRST_ROW));
    a.dec(R11);
    a.jnz(block);
    end();
  }

  private void assembleAddWeighted() {
    begin();
    a.mov(Address.of(RDI, FIRST_ROW), RSI);
    a.mov(Address.of(RDI, FIRST_VALUE), RDX);
    for (int vector = 0; vector < CHUNK_VECTORS; vector++) {
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
    forEachSum((address, mask, sum) -> a.vmovups(sum, masked ? mask : MaskRegister.ALL, address));
    a.mov(R11, Address.of(RDI, COUNT));
    Label value = new Label();
    a.bind(value);
    for (int vector = 0; vector < CHUNK_VECTORS; vector++) {
      MaskRegister mask = masked ? MASKS[vector] : MaskRegister.ALL;
      load(loaded[vector], mask, Address.of(RDX, vector * keptBytes));
    }
    // Also for the chunk that follows.
    for (int line = 0; line < 2 * CHUNK_VECTORS * keptBytes; line += LINE_BYTES) {
      a.prefetcht0(Address.of(RDX, R10, PREFETCH_VALUES, line));
    }
    for (int row = 0; row < rows; row++) {
      a.vpbroadcastd(factor, inRow(row, RSI, R8, R9, 0));
      for (int vector = 0; vector < CHUNK_VECTORS; vector++) {
        a.vfmadd231ps(sum(row, vector), loaded[vector], factor);
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
    a.add(RDX, CHUNK_VECTORS * keptBytes);
    a.mov(Address.of(RDI, FIRST_VALUE), RDX);
    a.add(RCX, CHUNK_VECTORS * VECTOR_BYTES);
  }

  /** What is done with a vector of sums. */
  private interface SumUse {
    void assemble(Address address, MaskRegister mask, Zmm sum);
  }

  private void forEachSum(SumUse use) {
    a.mov(RAX, Address.of(RDI, RESULTS_STRIDE));
    a.lea(R11, Address.of(RAX, RAX, 2, 0));
    for (int row = 0; row < rows; row++) {
      for (int vector = 0; vector < CHUNK_VECTORS; vector++) {
        Address address = inRow(row, RCX, RAX, R11, vector * VECTOR_BYTES);
        use.assemble(address, MASKS[vector], sum(row, vector));
      }
    }
  }

  private void clear(Zmm register) {
    a.vpxord(register, register, register);
  }
}
