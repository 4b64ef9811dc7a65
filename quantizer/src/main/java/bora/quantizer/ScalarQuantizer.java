package bora.quantizer;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Chooses row scales, sub-scales and codes of the scalar encodings for a group of panels; {@code
 * docs/encodings.md} says what they mean.
 *
 * <p>A row's scale is the smallest that brings its largest weight within half a step of the grid's
 * end. A block's sub-scale is the one with the least squared error among the smallest that does so
 * for the block and the {@link #finerSteps} next finer ones, which clip the block's largest weights
 * for a finer grid. Every sum is taken in the order of the columns, so the bytes are the same
 * everywhere.
 */
final class ScalarQuantizer {
  private final Encoding encoding;
  private final BlockLoops loops;
  private final int finerSteps;

  /**
   * Added to a weight in steps, turns truncation into rounding to the nearest code. The largest
   * weight, in steps, that no code misses by more than half a step, is the same number.
   */
  private final float roundingBias;

  private int[] words = {};
  private float[] rowScales = {};

  /** The rounding bias, but zero for rows of zeros, whose codes are zero. */
  private float[] biases = {};

  /** The largest weight that a step covers: step i of lane l at {@code i * lanes + l}. */
  private double[] reaches = {};

  /** 1 / step, for all steps as {@link #reaches}. */
  private float[] allInverseSteps = {};

  /** Those chosen, one a lane. */
  private float[] inverseSteps = {};

  private int[] indices = {};
  private int[] bestIndices = {};
  private double[] largest = {};
  private double[] errors = {};
  private double[] bestErrors = {};
  private double[] rowErrors = {};

  ScalarQuantizer(Encoding encoding) {
    this(encoding, new ScalarBlockLoops(encoding));
  }

  ScalarQuantizer(Encoding encoding, BlockLoops loops) {
    this.encoding = encoding;
    this.loops = loops;
    this.finerSteps = finerSteps(encoding);
    this.roundingBias = BlockLoops.roundingBias(encoding);
  }

  Encoding encoding() {
    return encoding;
  }

  /**
   * How many steps finer than the smallest that clips nothing are worth a try: with few bits a
   * finer grid gains more than the clipped weights lose. One more try changes the squared error of
   * rows of Gaussian and of heavy-tailed weights (Student's t, 4 degrees) by less than 0.1 % for q4
   * and q6, by 0.8 % for q8. Other row scales (12 tried a row) gain at most 0.1 dB more.
   */
  private static int finerSteps(Encoding encoding) {
    return switch (encoding) {
      case Q2 -> 4;
      case Q3 -> 3;
      case Q4 -> 2;
      case Q5, Q6 -> 1;
      case Q8 -> 0;
      case F32, BF16, T1, T2, T3, T4, T5 ->
          throw new IllegalArgumentException(encoding + " has no grid");
    };
  }

  /**
   * Encodes a group.
   *
   * @param panels receives the group's panels, one after the other
   */
  void encode(LaneGroup group, MemorySegment panels) {
    int lanes = group.lanes();
    resize(lanes, encoding.blockCount(group.columns()));
    chooseRowScales(group, panels);
    Arrays.fill(rowErrors, 0, lanes, 0);
    for (int block = 0; block < encoding.blockCount(group.columns()); block++) {
      chooseSubScales(group, block);
      writeSubScales(group, block, panels);
      writeCodes(group, block, panels);
    }
  }

  /** The squared error of a lane of the last group, if errors were searched for. */
  double squaredError(int lane) {
    double scale = rowScales[lane];
    return rowErrors[lane] * scale * scale;
  }

  private void resize(int lanes, int blocks) {
    if (rowScales.length < lanes) {
      words = new int[lanes * ScalarCodes.unitCount(encoding)];
      biases = new float[lanes];
      rowScales = new float[lanes];
      reaches = new double[lanes * ScalarGrid.SUB_SCALE_COUNT];
      allInverseSteps = new float[lanes * ScalarGrid.SUB_SCALE_COUNT];
      inverseSteps = new float[lanes];
      indices = new int[lanes];
      bestIndices = new int[lanes];
      errors = new double[lanes];
      bestErrors = new double[lanes];
      rowErrors = new double[lanes];
    }
    int largestLength = Math.multiplyExact(lanes, blocks);
    if (largest.length < largestLength) {
      largest = new double[largestLength];
    }
  }

  private void chooseRowScales(LaneGroup group, MemorySegment panels) {
    int lanes = group.lanes();
    int blocks = encoding.blockCount(group.columns());
    for (int block = 0; block < blocks; block++) {
      loops.largest(group, block, largest);
    }
    long panelBytes = encoding.panelBytes(group.columns());
    for (int panel = 0; panel < group.panels(); panel++) {
      panels.asSlice(panel * panelBytes, encoding.codesOffsetBytes(group.columns())).fill((byte) 0);
    }
    for (int lane = 0; lane < lanes; lane++) {
      double rowLargest = 0;
      for (int block = 0; block < blocks; block++) {
        rowLargest = Math.max(rowLargest, largest[block * lanes + lane]);
      }
      short bits = rowScaleBits((float) rowLargest);
      setSteps(lane, lanes, BFloat16.toFloat(bits));
      long panelOffsetBytes = lane / ScalarGrid.LANES * panelBytes;
      panels.set(
          LittleEndian.SHORT,
          panelOffsetBytes + ScalarGrid.rowScaleOffsetBytes(lane % ScalarGrid.LANES),
          bits);
    }
  }

  private void setSteps(int lane, int lanes, float rowScale) {
    rowScales[lane] = rowScale;
    biases[lane] = rowScale == 0 ? 0 : roundingBias;
    for (int i = 0; i < ScalarGrid.SUB_SCALE_COUNT; i++) {
      float step = ScalarGrid.step(rowScale, i);
      int at = i * lanes + lane;
      reaches[at] = rowScale == 0 ? -1 : step * (double) roundingBias;
      allInverseSteps[at] = step == 0 ? 0 : 1 / step;
    }
  }

  /** The smallest allowed bf16 whose step covers a row, as bits; zero for a row of zeros. */
  private short rowScaleBits(float rowLargest) {
    float wanted = rowLargest / roundingBias;
    if (wanted < ScalarGrid.MIN_ROW_SCALE) {
      return 0;
    }
    int up = (Float.floatToRawIntBits(wanted) + 0xFFFF) >>> 16;
    boolean overflows = Float.isInfinite(BFloat16.toFloat((short) up) * (roundingBias - 0.5f));
    return (short) (overflows ? up - 1 : up);
  }

  private void chooseSubScales(LaneGroup group, int block) {
    int lanes = group.lanes();
    loops.coveringSteps(reaches, largest, block * lanes, lanes, indices);
    if (finerSteps == 0) {
      System.arraycopy(indices, 0, bestIndices, 0, lanes);
      setInverseSteps(bestIndices, lanes);
      return;
    }
    Arrays.fill(bestErrors, 0, lanes, Double.POSITIVE_INFINITY);
    for (int finer = 0; finer <= finerSteps; finer++) {
      setInverseSteps(indices, lanes);
      loops.squaredErrors(group, block, inverseSteps, errors);
      for (int lane = 0; lane < lanes; lane++) {
        double subScale = ScalarGrid.subScale(indices[lane]);
        double error = errors[lane] * (subScale * subScale);
        if (error < bestErrors[lane]) {
          bestErrors[lane] = error;
          bestIndices[lane] = indices[lane];
        }
        indices[lane] = finerIndex(lane);
      }
    }
    for (int lane = 0; lane < lanes; lane++) {
      rowErrors[lane] += bestErrors[lane];
    }
    setInverseSteps(bestIndices, lanes);
  }

  /** Rows of zeros, rows that pad the panel among them, stay with index 0. */
  private int finerIndex(int lane) {
    return rowScales[lane] == 0 ? 0 : Math.min(indices[lane] + 1, ScalarGrid.SUB_SCALE_COUNT - 1);
  }

  private void setInverseSteps(int[] subScales, int lanes) {
    for (int lane = 0; lane < lanes; lane++) {
      inverseSteps[lane] = allInverseSteps[subScales[lane] * lanes + lane];
    }
  }

  private void writeSubScales(LaneGroup group, int block, MemorySegment panels) {
    long panelBytes = encoding.panelBytes(group.columns());
    for (int panel = 0; panel < group.panels(); panel++) {
      long word = 0;
      for (int lane = 0; lane < ScalarGrid.LANES; lane++) {
        word |= (long) bestIndices[panel * ScalarGrid.LANES + lane] << (4 * lane);
      }
      panels.set(
          LittleEndian.LONG, panel * panelBytes + ScalarGrid.subScalesOffsetBytes(block), word);
    }
  }

  /** Codes of columns beyond the last stay zero. */
  private void writeCodes(LaneGroup group, int block, MemorySegment panels) {
    int lanes = group.lanes();
    int units = ScalarCodes.unitCount(encoding);
    loops.codes(group, block, inverseSteps, biases, words);
    long panelBytes = encoding.panelBytes(group.columns());
    long blockOffsetBytes =
        encoding.codesOffsetBytes(group.columns()) + (long) block * encoding.blockBytes();
    for (int panel = 0; panel < group.panels(); panel++) {
      for (int unit = 0; unit < units; unit++) {
        MemorySegment.copy(
            words,
            unit * lanes + panel * ScalarGrid.LANES,
            panels,
            LittleEndian.INT,
            panel * panelBytes + blockOffsetBytes + (long) unit * ScalarCodes.UNIT_BYTES,
            ScalarGrid.LANES);
      }
    }
  }
}
