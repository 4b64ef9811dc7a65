package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The same by vectors of neighbouring lanes, of which a group has a multiple of 16: every lane is
 * computed alone, in the order of the definition, so the results are the same at every width.
 */
final class VectorBlockLoops implements BlockLoops {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);
  private static final VectorSpecies<Double> DOUBLES = FLOATS.withLanes(double.class);
  private static final VectorSpecies<Long> LONGS = FLOATS.withLanes(long.class);

  /** Of a float's bits, all but the sign. */
  private static final int MAGNITUDE = 0x7FFF_FFFF;

  private final int topCode;
  private final float roundingBias;
  private final int unitCount;

  /** Of each field in the order of the columns: its column and what {@link ScalarCodes} says. */
  private final int[] columns;

  private final int[] units;
  private final int[] codeBits;
  private final int[] masks;
  private final int[] wordBits;
  private final int[] magnitudes = new int[INTS.length()];
  private final long[] counts = new long[LONGS.length()];

  VectorBlockLoops(Encoding encoding) {
    this.topCode = (1 << encoding.codeBits()) - 1;
    this.roundingBias = BlockLoops.roundingBias(encoding);
    this.unitCount = ScalarCodes.unitCount(encoding);
    List<Integer> fieldColumns = new ArrayList<>();
    List<ScalarCodes.Field> fields = new ArrayList<>();
    for (int column = 0; column < ScalarGrid.COLUMNS_PER_BLOCK; column++) {
      for (ScalarCodes.Field field : ScalarCodes.fields(encoding, column)) {
        fieldColumns.add(column);
        fields.add(field);
      }
    }
    columns = fieldColumns.stream().mapToInt(column -> column).toArray();
    units = fields.stream().mapToInt(ScalarCodes.Field::unit).toArray();
    codeBits = fields.stream().mapToInt(ScalarCodes.Field::codeBit).toArray();
    masks = fields.stream().mapToInt(ScalarCodes.Field::mask).toArray();
    wordBits = fields.stream().mapToInt(ScalarCodes.Field::wordBit).toArray();
  }

  @Override
  public void largest(LaneGroup group, int block, double[] largest) {
    float[] values = group.values();
    int lanes = group.lanes();
    int offset = group.blockOffset(block);
    int end = offset + group.blockColumns(block) * lanes;
    for (int lane = 0; lane < lanes; lane += FLOATS.length()) {
      // Magnitudes are ordered as their bits are, and integers have a maximum in one instruction.
      IntVector most = IntVector.zero(INTS);
      for (int at = offset + lane; at < end; at += lanes) {
        most =
            most.max(FloatVector.fromArray(FLOATS, values, at).reinterpretAsInts().and(MAGNITUDE));
      }
      most.intoArray(magnitudes, 0);
      for (int i = 0; i < INTS.length(); i++) {
        largest[block * lanes + lane + i] = Float.intBitsToFloat(magnitudes[i]);
      }
    }
  }

  @Override
  public void coveringSteps(
      double[] reaches, double[] largest, int largestAt, int lanes, int[] indices) {
    for (int lane = 0; lane < lanes; lane += DOUBLES.length()) {
      DoubleVector most = DoubleVector.fromArray(DOUBLES, largest, largestAt + lane);
      // Those that cover are the first ones; the others are counted, by the sign of what is
      // missing.
      LongVector tooSmall = LongVector.zero(LONGS);
      for (int step = 1; step < ScalarGrid.SUB_SCALE_COUNT; step++) {
        DoubleVector room = DoubleVector.fromArray(DOUBLES, reaches, step * lanes + lane).sub(most);
        tooSmall = tooSmall.add(room.reinterpretAsLongs().lanewise(VectorOperators.LSHR, 63));
      }
      tooSmall.intoArray(counts, 0);
      for (int i = 0; i < DOUBLES.length(); i++) {
        indices[lane + i] = ScalarGrid.SUB_SCALE_COUNT - 1 - (int) counts[i];
      }
    }
  }

  @Override
  public void squaredErrors(LaneGroup group, int block, float[] inverseSteps, double[] errors) {
    float[] values = group.values();
    int lanes = group.lanes();
    int offset = group.blockOffset(block);
    int end = offset + group.blockColumns(block) * lanes;
    for (int lane = 0; lane < lanes; lane += FLOATS.length()) {
      FloatVector inverse = FloatVector.fromArray(FLOATS, inverseSteps, lane);
      DoubleVector low = DoubleVector.zero(DOUBLES);
      DoubleVector high = DoubleVector.zero(DOUBLES);
      for (int at = offset + lane; at < end; at += lanes) {
        FloatVector position =
            FloatVector.fromArray(FLOATS, values, at).mul(inverse).add(roundingBias);
        IntVector code = ((IntVector) position.convert(VectorOperators.F2I, 0)).max(0).min(topCode);
        FloatVector error =
            position.sub(((FloatVector) code.convert(VectorOperators.I2F, 0)).add(0.5f));
        FloatVector square = error.mul(error);
        low = low.add(square.convertShape(VectorOperators.F2D, DOUBLES, 0));
        high = high.add(square.convertShape(VectorOperators.F2D, DOUBLES, 1));
      }
      low.intoArray(errors, lane);
      high.intoArray(errors, lane + DOUBLES.length());
    }
  }

  @Override
  public void codes(LaneGroup group, int block, float[] inverseSteps, float[] biases, int[] words) {
    float[] values = group.values();
    int lanes = group.lanes();
    int offset = group.blockOffset(block);
    int width = group.blockColumns(block);
    Arrays.fill(words, 0, unitCount * lanes, 0);
    for (int lane = 0; lane < lanes; lane += FLOATS.length()) {
      FloatVector inverse = FloatVector.fromArray(FLOATS, inverseSteps, lane);
      FloatVector bias = FloatVector.fromArray(FLOATS, biases, lane);
      for (int field = 0; field < columns.length && columns[field] < width; field++) {
        FloatVector position =
            FloatVector.fromArray(FLOATS, values, offset + columns[field] * lanes + lane)
                .mul(inverse)
                .add(bias);
        IntVector code = ((IntVector) position.convert(VectorOperators.F2I, 0)).max(0).min(topCode);
        int word = units[field] * lanes + lane;
        code.lanewise(VectorOperators.LSHR, codeBits[field])
            .and(masks[field])
            .lanewise(VectorOperators.LSHL, wordBits[field])
            .or(IntVector.fromArray(INTS, words, word))
            .intoArray(words, word);
      }
    }
  }
}
