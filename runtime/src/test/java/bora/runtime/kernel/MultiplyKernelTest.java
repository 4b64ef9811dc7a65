package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisPanel;
import bora.formats.model.TensorShape;
import bora.runtime.kernel.RandomMatrix.Content;
import bora.runtime.machine.MachineCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Products by vectors against products by the definition, at sizes that fit no tile. */
class MultiplyKernelTest {
  /**
   * Error allowed, relative to the sum of the magnitudes of a product's terms. No chain of float32
   * additions has more than 256 links here, each off by 2^-25 of the sum so far on average and with
   * either sign.
   */
  private static final double TOLERANCE = 0x1p-20;

  private static final int[] ROWS = {1, 3, 15, 16, 17, 31, 33, 64, 100, 130};
  private static final int[] COLUMNS = {1, 2, 31, 63, 64, 65, 100, 127, 192, 256, 300};
  private static final int[] TOKENS = {1, 2, 3, 7, 8, 9, 17};

  private static final float UNTOUCHED = -12345;

  private static final Kernels VECTOR = Kernels.vector();

  /** Machine code, once: it knows no width of vectors. */
  private static final boolean WITH_MACHINE_CODE =
      Lanes.COUNT == 16 && MachineCode.unsupportedReason().isEmpty();

  /** The definition and the kernels that shall equal it, for either kind of activations. */
  private record Equals(Kernels definition, List<Kernels> kernels) {
    static List<Equals> of(Encoding encoding) {
      List<Kernels> kernels =
          WITH_MACHINE_CODE ? List.of(VECTOR, Kernels.fastest()) : List.of(VECTOR);
      Equals exact = new Equals(Kernels.scalar(), kernels);
      return ActivationRounding.appliesTo(encoding)
          ? List.of(exact, exact.rounding())
          : List.of(exact);
    }

    private Equals rounding() {
      return new Equals(
          definition.roundingActivations(),
          kernels.stream().map(Kernels::roundingActivations).toList());
    }
  }

  static Stream<Arguments> encodingsAndRows() {
    return Stream.of(Encoding.values())
        .flatMap(encoding -> Arrays.stream(ROWS).mapToObj(rows -> Arguments.of(encoding, rows)));
  }

  @ParameterizedTest
  @MethodSource("encodingsAndRows")
  void equalsTheDefinitionAtAwkwardSizes(Encoding encoding, int rows) {
    for (int columns : COLUMNS) {
      assertEqualsTheDefinition(encoding, rows, columns, Content.RANDOM, TOKENS);
    }
  }

  @ParameterizedTest
  @MethodSource("encodingsAndRows")
  void equalsTheDefinitionWithExtremeCodesAndScales(Encoding encoding, int rows) {
    for (Content content : Content.values()) {
      assertEqualsTheDefinition(encoding, rows, 129, content, 1, 2);
    }
  }

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void equalsTheDefinitionBeyondOneBlockOfTokens(Encoding encoding) {
    assertEqualsTheDefinition(encoding, 40, 520, Content.RANDOM, 263);
  }

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void equalsTheDefinitionAtTheWidthOfAModel(Encoding encoding) {
    assertEqualsTheDefinition(encoding, 17, 14336, Content.RANDOM, 1, 2);
  }

  private static void assertEqualsTheDefinition(
      Encoding encoding, int rows, int columns, Content content, int... tokenCounts) {
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor matrix =
          RandomMatrix.of(arena, encoding, rows, columns, content, 31L * rows + columns);
      for (int tokens : tokenCounts) {
        for (Equals equals : Equals.of(encoding)) {
          assertEqualsTheDefinition(equals, matrix, tokens);
        }
      }
    }
  }

  private static void assertEqualsTheDefinition(Equals equals, EncodedTensor matrix, int tokens) {
    int rows = matrix.shape().rows();
    int columns = matrix.shape().columns();
    int panels = matrix.encoding().panelCount(rows);
    int xStride = columns + 3;
    int yStride = rows + 5;
    FloatArray x = gaussian(2 + tokens * xStride, 17);
    TokenActivations activations = TokenActivations.of(x, 2, xStride, tokens);
    FloatArray expected = FloatArray.ofLength(1 + tokens * yStride);
    Arrays.fill(expected.values(), UNTOUCHED);
    FloatArray untouched = expected.copy();
    equals.definition.multiply(matrix, activations, expected, 1, yStride, 0, panels);
    double[] limits = new double[expected.length()];
    float[] row = new float[columns];
    for (int r = 0; r < rows; r++) {
      matrix.decodeRow(r, row, 0);
      for (int t = 0; t < tokens; t++) {
        limits[1 + t * yStride + r] = TOLERANCE * sumOfMagnitudes(row, x.values(), 2 + t * xStride);
      }
    }
    for (Kernels kernels : equals.kernels) {
      FloatArray found = untouched.copy();
      // In two calls, to find that panels do not depend on each other.
      int cut = panels / 3;
      kernels.multiply(matrix, activations, found, 1, yStride, 0, cut);
      kernels.multiply(matrix, activations, found, 1, yStride, cut, panels);
      // Beside the result nothing is written: the limit there is zero.
      for (int i = 0; i < found.length(); i++) {
        int at = i;
        assertEquals(
            expected.get(i),
            found.get(i),
            limits[i],
            () ->
                kernels.description()
                    + " "
                    + matrix.encoding()
                    + " "
                    + matrix.shape()
                    + " at "
                    + at);
      }
    }
  }

  private static double sumOfMagnitudes(float[] row, float[] x, int offset) {
    double sum = 0;
    for (int c = 0; c < row.length; c++) {
      sum += Math.abs((double) row[c] * x[offset + c]);
    }
    return sum;
  }

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void decodesTilesBitForBit(Encoding encoding) {
    for (int columns : new int[] {1, 63, 64, 65, 255, 256, 257, 600}) {
      for (Content content : Content.values()) {
        try (Arena arena = Arena.ofConfined()) {
          int rows = 2 * encoding.rowsPerPanel() + 5;
          EncodedTensor matrix = RandomMatrix.of(arena, encoding, rows, columns, content, columns);
          for (int panel = 0; panel < 3; panel++) {
            assertDecodesPanel(matrix, panel);
          }
        }
      }
    }
  }

  private static void assertDecodesPanel(EncodedTensor matrix, int panel) {
    KernelScratch scratch = KernelScratch.ofThread();
    int columns = matrix.shape().columns();
    for (int start = 0; start < columns; start += MatrixByTokens.TILE_COLUMNS) {
      int count = Math.min(MatrixByTokens.TILE_COLUMNS, columns - start);
      int rows = matrix.encoding().rowsPerPanel();
      float[] expected = new float[count * rows];
      matrix.encoding().decoder().decodeTile(matrix.panel(panel), columns, start, count, expected);
      float[] found = new float[count * rows];
      if (matrix.encoding().isTrellis()) {
        int panelFloats = MatrixByTokens.PANEL_FLOATS;
        TrellisMatrix.decodeTile(matrix, panel, start, count, scratch.tile, panelFloats);
        for (int i = 0; i < found.length; i++) {
          int row = i % rows;
          int place = row / 16 * panelFloats + i / rows * 16 + row % 16;
          found[i] = scratch.tile[place] * TrellisPanel.rowScale(matrix.panel(panel), 0, row);
        }
      } else {
        int tilePanel = MatrixByTokens.TILE_PANELS - 1;
        MatrixByTokens.decodeTile(matrix, panel, start, count, scratch, tilePanel);
        int offset = tilePanel * MatrixByTokens.PANEL_FLOATS;
        System.arraycopy(scratch.tile, offset, found, 0, found.length);
      }
      assertArrayEquals(bits(expected), bits(found));
    }
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToRawIntBits(values[i]);
    }
    return bits;
  }

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void aTokenDependsNeitherOnItsNeighboursNorOnThePanelsOfACall(Encoding encoding) {
    int rows = 147;
    int columns = 333;
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor matrix = RandomMatrix.of(arena, encoding, rows, columns, Content.RANDOM, 3);
      for (Equals equals : Equals.of(encoding)) {
        for (Kernels kernels : equals.kernels) {
          assertTokensAndPanelsAreIndependent(kernels, matrix);
        }
      }
    }
  }

  private static void assertTokensAndPanelsAreIndependent(Kernels kernels, EncodedTensor matrix) {
    int rows = matrix.shape().rows();
    int columns = matrix.shape().columns();
    int panels = matrix.encoding().panelCount(rows);
    FloatArray x = gaussian(150 * columns, 4);
    FloatArray together = FloatArray.ofLength(150 * rows);
    kernels.multiply(matrix, TokenActivations.of(x, 0, columns, 150), together, 0, rows, 0, panels);
    FloatArray apart = FloatArray.ofLength(150 * rows);
    for (int t = 0; t < 150; t += 3) {
      for (int panel = 0; panel < panels; panel++) {
        kernels.multiply(
            matrix,
            TokenActivations.of(x, t * columns, columns, 3),
            apart,
            t * rows,
            rows,
            panel,
            panel + 1);
      }
    }
    assertArrayEquals(bits(together.values()), bits(apart.values()));

    TokenActivations one = TokenActivations.of(x, 0, columns, 1);
    FloatArray single = FloatArray.ofLength(rows);
    kernels.multiply(matrix, one, single, 0, rows, 0, panels);
    FloatArray singleByPanel = FloatArray.ofLength(rows);
    for (int panel = 0; panel < panels; panel++) {
      kernels.multiply(matrix, one, singleByPanel, 0, rows, panel, panel + 1);
    }
    assertArrayEquals(bits(single.values()), bits(singleByPanel.values()));
  }

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void whatIsKeptOfActivationsIsThatOfTheseActivations(Encoding encoding) {
    int columns = 300;
    FloatArray x = gaussian(columns, 5);
    TokenActivations kept = new TokenActivations();
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor whole = RandomMatrix.of(arena, encoding, 33, columns, Content.RANDOM, 1);
      EncodedTensor narrow = RandomMatrix.of(arena, encoding, 33, 70, Content.RANDOM, 2);
      EncodedTensor other = RandomMatrix.of(arena, Encoding.Q4, 33, columns, Content.RANDOM, 3);
      for (int value = 0; value < 2; value++) {
        x.set(7, value);
        kept.set(x, 0, columns, 1);
        // Each twice, so that each comes behind every other kind and behind its own.
        for (EncodedTensor matrix : List.of(whole, narrow, whole, other, whole, whole)) {
          for (Equals equals : Equals.of(matrix.encoding())) {
            for (Kernels kernels : equals.kernels) {
              assertEqualsFreshActivations(kernels, matrix, kept, x);
            }
          }
        }
      }
    }
  }

  private static void assertEqualsFreshActivations(
      Kernels kernels, EncodedTensor matrix, TokenActivations kept, FloatArray x) {
    int rows = matrix.shape().rows();
    int panels = matrix.encoding().panelCount(rows);
    FloatArray found = FloatArray.ofLength(rows);
    kernels.multiply(matrix, kept, found, 0, rows, 0, panels);
    FloatArray expected = FloatArray.ofLength(rows);
    TokenActivations fresh = TokenActivations.of(x.copy(), 0, matrix.shape().columns(), 1);
    kernels.multiply(matrix, fresh, expected, 0, rows, 0, panels);
    assertArrayEquals(bits(expected.values()), bits(found.values()));
  }

  @Test
  void refusesWhatItCannotReadOrWrite() {
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor matrix = RandomMatrix.of(arena, Encoding.Q4, 33, 70, Content.RANDOM, 1);
      FloatArray x = FloatArray.ofLength(140);
      FloatArray y = FloatArray.ofLength(66);
      for (Kernels kernels : new Kernels[] {Kernels.scalar(), VECTOR}) {
        refuses(IndexOutOfBoundsException.class, kernels, matrix, x, 0, 70, 2, y, 0, 33, 0, 4);
        refuses(IndexOutOfBoundsException.class, kernels, matrix, x, 0, 70, 2, y, 0, 33, -1, 3);
        refuses(IndexOutOfBoundsException.class, kernels, matrix, x, 0, 70, 2, y, 0, 33, 2, 1);
        refuses(IndexOutOfBoundsException.class, kernels, matrix, x, 1, 70, 2, y, 0, 33, 0, 3);
        refuses(IndexOutOfBoundsException.class, kernels, matrix, x, -1, 70, 2, y, 0, 33, 0, 3);
        refuses(IndexOutOfBoundsException.class, kernels, matrix, x, 0, 71, 2, y, 0, 33, 0, 3);
        refuses(IndexOutOfBoundsException.class, kernels, matrix, x, 0, 70, 2, y, 1, 33, 0, 3);
        refuses(IndexOutOfBoundsException.class, kernels, matrix, x, 0, 70, 2, y, 0, 34, 0, 3);
        refuses(
            IndexOutOfBoundsException.class,
            kernels,
            matrix,
            x,
            0,
            Integer.MAX_VALUE,
            2,
            y,
            0,
            33,
            0,
            3);
        refuses(IllegalArgumentException.class, kernels, matrix, x, 0, 69, 2, y, 0, 33, 0, 3);
        refuses(IllegalArgumentException.class, kernels, matrix, x, 0, 70, 2, y, 0, 32, 0, 3);
        refuses(IllegalArgumentException.class, kernels, matrix, x, 0, 70, 0, y, 0, 33, 0, 3);
      }
      assertArrayEquals(new float[66], y.values());
    }
  }

  private static void refuses(
      Class<? extends Exception> type,
      Kernels kernels,
      EncodedTensor matrix,
      FloatArray x,
      int xOffset,
      int xStride,
      int tokens,
      FloatArray y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd) {
    assertThrows(
        type,
        () ->
            kernels.multiply(
                matrix,
                TokenActivations.of(x, xOffset, xStride, tokens),
                y,
                yOffset,
                yStride,
                panelStart,
                panelEnd));
  }

  @Test
  void refusesVectorsHeapMemoryAndClosedMemory() {
    FloatArray x = FloatArray.ofLength(64);
    FloatArray y = FloatArray.ofLength(16);
    TensorShape shape = TensorShape.matrix(16, 64);
    long bytes = Encoding.F32.encodedBytes(shape);
    EncodedTensor onHeap =
        new EncodedTensor(Encoding.F32, shape, MemorySegment.ofArray(new byte[(int) bytes]));
    assertThrows(
        IllegalArgumentException.class,
        () -> VECTOR.multiply(onHeap, TokenActivations.of(x, 0, 64, 1), y, 0, 16, 0, 1));
    EncodedTensor closed;
    try (Arena arena = Arena.ofConfined()) {
      closed = new EncodedTensor(Encoding.F32, shape, arena.allocate(bytes, 64));
      EncodedTensor vector =
          new EncodedTensor(Encoding.F32, TensorShape.vector(64), arena.allocate(256, 64));
      assertThrows(
          IllegalArgumentException.class,
          () -> VECTOR.multiply(vector, TokenActivations.of(x, 0, 64, 1), y, 0, 16, 0, 1));
    }
    assertThrows(
        IllegalStateException.class,
        () -> VECTOR.multiply(closed, TokenActivations.of(x, 0, 64, 1), y, 0, 16, 0, 1));
  }

  @Test
  void saysItsWidth() {
    String requested = System.getProperty(VectorWidth.PROPERTY);
    assertEquals("vector " + 32 * Lanes.COUNT + " bits", VECTOR.description());
    assertTrue(requested == null || VECTOR.description().contains(requested));
  }

  private static FloatArray gaussian(int length, long seed) {
    Random random = new Random(seed);
    FloatArray values = FloatArray.ofLength(length);
    for (int i = 0; i < length; i++) {
      values.set(i, (float) random.nextGaussian());
    }
    return values;
  }
}
