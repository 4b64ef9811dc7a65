package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RDI;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorShape;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.Zmm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/**
 * Assembles the product of a matrix in {@code f32} or {@code bf16} and one token: sums in the order
 * of {@link DenseKernels}, streams as in {@link AssembledDot}.
 */
final class AssembledDense {
  /**
   * Where the activations end; all other parameters are {@link AssembledDot}'s, and activations
   * stand in place of records.
   */
  static final int X_END = AssembledDot.BLOCKS;

  static final int STREAMS = 4;

  private static final int UNIT_BYTES = 64;
  private static final int PREFETCH_BYTES = 2048;

  private static final AssembledCode.Dots[] OF_ENCODING =
      new AssembledCode.Dots[Encoding.values().length];

  private final Assembler a = new Assembler();
  private final Encoding encoding;
  private final int streams;
  private final Label highHalf = new Label();

  private final Zmm x = new Zmm(16);
  private final Zmm otherX = new Zmm(17);
  private final Zmm word = new Zmm(18);
  private final Zmm value = new Zmm(19);
  private final Zmm highHalves = new Zmm(20);

  private AssembledDense(Encoding encoding, int streams) {
    this.encoding = encoding;
    this.streams = streams;
  }

  /**
   * The code for an encoding, assembled and tested at the first call.
   *
   * @throws IllegalStateException when it does not compute what it should
   */
  static AssembledCode.Dots tested(Encoding encoding) {
    AssembledCode.Dots dots = OF_ENCODING[encoding.ordinal()];
    return dots != null ? dots : make(encoding);
  }

  private static synchronized AssembledCode.Dots make(Encoding encoding) {
    if (OF_ENCODING[encoding.ordinal()] == null) {
      AssembledCode.Dots dots =
          new AssembledCode.Dots(of(encoding, 1), of(encoding, STREAMS), STREAMS);
      test(encoding, dots);
      OF_ENCODING[encoding.ordinal()] = dots;
    }
    return OF_ENCODING[encoding.ordinal()];
  }

  private static MachineCode of(Encoding encoding, int streams) {
    return MachineCode.of(new AssembledDense(encoding, streams).assemble());
  }

  /** Streams of a panel each, one more panel whose rows do not all exist, and a run and a rest. */
  private static void test(Encoding encoding, AssembledCode.Dots dots) {
    int runColumns = DenseKernels.RUN_UNITS * encoding.columnsPerBlock();
    TensorShape shape = TensorShape.matrix((STREAMS + 1) * ScalarGrid.LANES - 3, runColumns + 5);
    SplittableRandom random = new SplittableRandom(1);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(encoding.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
      for (long offset = 0; offset < bytes.byteSize(); offset += Integer.BYTES) {
        float value = (float) random.nextDouble() - 0.5f;
        int bits = Float.floatToRawIntBits(value);
        int pair = (bits & 0xFFFF_0000) | (BFloat16.fromFloat(value * 0.7f) & 0xFFFF);
        bytes.set(LittleEndian.INT, offset, encoding == Encoding.F32 ? bits : pair);
      }
      EncodedTensor matrix = new EncodedTensor(encoding, shape, bytes);
      float[] x = new float[shape.columns()];
      for (int c = 0; c < x.length; c++) {
        x[c] = (float) random.nextDouble() - 0.5f;
      }
      FloatArray y = FloatArray.ofLength(shape.rows());
      AssembledProducts.multiplyDense(
          dots,
          matrix,
          TokenActivations.of(FloatArray.wrap(x), 0, x.length, 1),
          y,
          0,
          0,
          STREAMS + 1);
      // A row of every lane, in all panels.
      for (int row = 0; row < y.length(); row += 5) {
        float first = 0;
        float second = 0;
        MemorySegment panel = matrix.panel(row / ScalarGrid.LANES);
        for (int c = 0; c < x.length; c++) {
          float weight = encoding.decoder().valueAt(panel, x.length, row % ScalarGrid.LANES, c);
          if (c < runColumns) {
            first = Math.fma(weight, x[c], first);
          } else {
            second = Math.fma(weight, x[c], second);
          }
        }
        AssembledSelfTest.check(encoding, first + second, y.get(row));
      }
    }
  }

  private static Zmm sum(int stream) {
    return new Zmm(STREAMS + stream);
  }

  private Assembler assemble() {
    if (encoding == Encoding.BF16) {
      a.vpbroadcastd(highHalves, Address.of(highHalf));
    }
    a.mov(R8, Address.of(RDI, X_END));
    PanelStreams.assemble(a, streams, PREFETCH_BYTES, this::addPanel);
    a.bind(highHalf);
    a.words(0xFFFF_0000);
    return a;
  }

  private void addPanel() {
    int unitXBytes = encoding.columnsPerBlock() * Float.BYTES;
    clear(0);
    a.mov(RAX, R11);
    a.mov(R9, Address.of(RDI, AssembledDot.RECORDS));
    Label run = new Label();
    a.bind(run);
    clear(STREAMS);
    Label isWhole = new Label();
    a.mov(R10, R9);
    a.add(R10, DenseKernels.RUN_UNITS * unitXBytes);
    a.cmp(R10, R8);
    a.jb(isWhole);
    a.mov(R10, R8);
    a.bind(isWhole);
    Label unit = new Label();
    a.bind(unit);
    addUnit();
    a.add(RAX, UNIT_BYTES);
    a.add(R9, unitXBytes);
    a.cmp(R9, R10);
    a.jb(unit);
    for (int s = 0; s < streams; s++) {
      a.vaddps(PanelStreams.total(s), PanelStreams.total(s), sum(s));
    }
    a.cmp(R9, R8);
    a.jb(run);
  }

  private void clear(int firstRegister) {
    for (int s = 0; s < streams; s++) {
      Zmm register = new Zmm(firstRegister + s);
      a.vpxord(register, register, register);
    }
  }

  private void addUnit() {
    a.vpbroadcastd(x, Address.of(R9, 0));
    if (encoding == Encoding.BF16) {
      a.vpbroadcastd(otherX, Address.of(R9, Float.BYTES));
    }
    for (int s = 0; s < streams; s++) {
      a.prefetcht0(AssembledDot.inStream(s, RAX, PREFETCH_BYTES));
      a.vmovups(word, AssembledDot.inStream(s, RAX, 0));
      if (encoding == Encoding.BF16) {
        a.vpslld(value, word, Short.SIZE);
        a.vfmadd231ps(sum(s), value, x);
        a.vpandd(value, word, highHalves);
        a.vfmadd231ps(sum(s), value, otherX);
      } else {
        a.vfmadd231ps(sum(s), word, x);
      }
    }
  }
}
