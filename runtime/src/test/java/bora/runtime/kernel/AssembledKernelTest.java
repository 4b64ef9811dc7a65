package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import bora.runtime.kernel.RandomMatrix.Content;
import bora.runtime.machine.MachineCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Machine code against its definition, bit for bit. {@link MultiplyKernelTest} holds it against
 * that of all kernels.
 */
class AssembledKernelTest {
  private static final int[] ROWS = {1, 15, 16, 17, 64, 65, 100};
  private static final int[] COLUMNS = {1, 63, 64, 65, 300};

  @BeforeAll
  static void machineCodeRuns() {
    assumeTrue(
        MachineCode.unsupportedReason().isEmpty(),
        () -> "no machine code: " + MachineCode.unsupportedReason().orElseThrow());
    assumeTrue(Lanes.COUNT == 16, "machine code knows no width of vectors: tested once");
  }

  @ParameterizedTest
  @EnumSource(
      value = Encoding.class,
      names = {"Q8", "Q6", "Q5", "Q4", "Q3", "Q2"})
  void ordersNameEveryColumnOnce(Encoding encoding) {
    Set<Byte> columns = new HashSet<>();
    for (byte column : CodeOrder.of(encoding)) {
      columns.add(column);
    }
    assertEquals(64, columns.size());
    assertTrue(columns.stream().allMatch(column -> column >= 0 && column < 64));
  }

  @ParameterizedTest
  @EnumSource(
      value = Encoding.class,
      names = {"Q8", "Q6", "Q5", "Q4", "Q3", "Q2", "T1", "T2", "T3", "T4", "T5"})
  void equalsItsDefinitionBitForBit(Encoding encoding) {
    for (int rows : ROWS) {
      for (int columns : COLUMNS) {
        for (Content content : Content.values()) {
          assertEqualsTheDefinition(encoding, rows, columns, content);
        }
      }
    }
  }

  /** Those kernels take the same sums in the same order. */
  @ParameterizedTest
  @EnumSource(
      value = Encoding.class,
      names = {"F32", "BF16"})
  void equalsVectorKernelsBitForBit(Encoding encoding) {
    for (int rows : ROWS) {
      for (int columns : COLUMNS) {
        for (Content content : Content.values()) {
          try (Arena arena = Arena.ofConfined()) {
            EncodedTensor matrix =
                RandomMatrix.of(arena, encoding, rows, columns, content, rows + columns);
            FloatArray values = FloatArray.wrap(Activations.OUTLIERS.values(columns));
            TokenActivations x = TokenActivations.of(values, 0, columns, 1);
            int panels = encoding.panelCount(rows);
            FloatArray expected = FloatArray.ofLength(rows);
            Kernels.vector().multiply(matrix, x, expected, 0, rows, 0, panels);
            FloatArray y = FloatArray.ofLength(rows);
            Kernels.fastest().multiply(matrix, x, y, 0, rows, 0, panels);
            // Zeros may differ in sign.
            assertArrayEquals(
                expected.values(), y.values(), 0, () -> content + " " + matrix.shape());
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void productsOfSomeTokensEqualVectorKernelsBitForBit(Encoding encoding) {
    for (int rows : new int[] {1, 17, 48, 65}) {
      for (int columns : new int[] {1, 63, 257, 600}) {
        for (int tokens : new int[] {2, 7, 8, 9, 130}) {
          assertEqualsVectorKernels(encoding, rows, columns, tokens);
        }
      }
    }
  }

  @Test
  void sumsAllWholeStepsOfMemory() {
    try (Arena arena = Arena.ofConfined()) {
      // More than one call, and bytes behind the last step.
      MemorySegment bytes = arena.allocate((1 << 20) + 3 * 256 + 60, 64);
      int sum = 0;
      for (long i = 0; i < bytes.byteSize() / 256 * 64; i++) {
        int word = (int) (i * 0x9E3779B9L);
        bytes.setAtIndex(ValueLayout.JAVA_INT, i, word);
        sum += word;
      }
      assertEquals(sum, MemorySum.of(bytes));
    }
  }

  private static void assertEqualsVectorKernels(
      Encoding encoding, int rows, int columns, int tokens) {
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor matrix = RandomMatrix.of(arena, encoding, rows, columns, Content.RANDOM, rows);
      FloatArray values = FloatArray.wrap(Activations.OUTLIERS.values(tokens * columns));
      TokenActivations x = TokenActivations.of(values, 0, columns, tokens);
      int panels = encoding.panelCount(rows);
      int yStride = rows + 3;
      FloatArray expected = FloatArray.ofLength(tokens * yStride);
      Arrays.fill(expected.values(), 7);
      FloatArray y = expected.copy();
      Kernels.vector().multiply(matrix, x, expected, 1, yStride, panels / 2, panels);
      Kernels.fastest().multiply(matrix, x, y, 1, yStride, panels / 2, panels);
      // Zeros may differ in sign.
      assertArrayEquals(
          expected.values(), y.values(), 0, () -> tokens + " tokens, " + matrix.shape());
    }
  }

  private static void assertEqualsTheDefinition(
      Encoding encoding, int rows, int columns, Content content) {
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor matrix =
          RandomMatrix.of(arena, encoding, rows, columns, content, rows + columns);
      AssembledCode code = AssembledCode.of(encoding);
      for (Activations activations : Activations.values()) {
        float[] x = activations.values(columns);
        TokenActivations token = TokenActivations.of(FloatArray.wrap(x), 0, columns, 1);
        for (ActivationDigits digits : ActivationDigits.values()) {
          FloatArray y = FloatArray.ofLength(rows);
          int panels = encoding.panelCount(rows);
          if (encoding.isTrellis()) {
            AssembledTrellisProducts.multiply(code, digits, matrix, token, y, 0, 0, panels);
          } else {
            AssembledProducts.multiply(code, digits, matrix, token, y, 0, 0, panels);
          }
          assertArrayEquals(
              bits(expected(matrix, digits, x)),
              bits(y.values()),
              () -> digits + " " + activations + " " + matrix.shape());
        }
      }
    }
  }

  /** What activations may be like. */
  private enum Activations {
    GAUSSIAN {
      @Override
      float value(Random random, int column) {
        return (float) random.nextGaussian();
      }
    },
    OUTLIERS {
      @Override
      float value(Random random, int column) {
        return (float) (random.nextGaussian() * Math.pow(10, random.nextInt(13) - 6));
      }
    },
    TINY_AND_HUGE {
      @Override
      float value(Random random, int column) {
        return (float) (random.nextGaussian() * (column < 64 ? 0x1p-140 : 0x1p90));
      }
    },
    ZERO {
      @Override
      float value(Random random, int column) {
        return 0;
      }
    },
    NOT_FINITE {
      @Override
      float value(Random random, int column) {
        return column == 0 ? Float.NaN : column == 64 ? Float.NEGATIVE_INFINITY : 1;
      }
    };

    abstract float value(Random random, int column);

    float[] values(int columns) {
      Random random = new Random(columns);
      float[] values = new float[columns];
      for (int i = 0; i < columns; i++) {
        values[i] = value(random, i);
      }
      return values;
    }
  }

  /** Codes and steps come from decoded values, whose definition knows nothing of units. */
  private static float[] expected(EncodedTensor matrix, ActivationDigits digits, float[] x) {
    DigitProducts.Block[] blocks = DigitProducts.blocks(digits, x, 0, x.length);
    float[] expected = new float[matrix.shape().rows()];
    for (int row = 0; row < expected.length; row++) {
      byte[] codes = new byte[blocks.length * 64];
      float[] steps = new float[blocks.length];
      for (int c = 0; c < x.length; c++) {
        if (matrix.encoding().isTrellis()) {
          MemorySegment panel = matrix.panel(row / TrellisPanel.ROWS);
          int panelRow = row % TrellisPanel.ROWS;
          steps[c / 64] = TrellisPanel.rowScale(panel, 0, panelRow);
          int state = TrellisPanel.stateAt(matrix.encoding(), panel, panelRow, c);
          codes[c] = (byte) TrellisCode.of(matrix.encoding()).level(state);
        } else {
          steps[c / 64] = matrix.step(row, c);
          codes[c] = code(matrix, row, c);
        }
      }
      expected[row] =
          DigitProducts.multiply(matrix.encoding(), codes, steps, blocks, blocks.length);
    }
    return expected;
  }

  private static byte code(EncodedTensor matrix, int row, int column) {
    Encoding encoding = matrix.encoding();
    MemorySegment panel = matrix.panel(row / ScalarGrid.LANES);
    long block =
        encoding.codesOffsetBytes(matrix.shape().columns())
            + (long) (column / 64) * encoding.blockBytes();
    int code = 0;
    for (ScalarCodes.Field field : ScalarCodes.fields(encoding, column % 64)) {
      long offset = block + 64L * field.unit() + 4L * (row % ScalarGrid.LANES);
      int bits = panel.get(LittleEndian.INT, offset) >>> field.wordBit() & field.mask();
      code |= bits << field.codeBit();
    }
    return (byte) code;
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    Arrays.setAll(
        bits,
        // Which NaN it is does not matter.
        i -> Float.floatToIntBits(values[i]));
    return bits;
  }
}
