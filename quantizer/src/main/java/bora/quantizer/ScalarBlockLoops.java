package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** The definition. */
final class ScalarBlockLoops implements BlockLoops {
  private final int topCode;
  private final float roundingBias;
  private final int unitCount;

  /** By column of a block. */
  private final List<List<ScalarCodes.Field>> fields;

  ScalarBlockLoops(Encoding encoding) {
    this.topCode = (1 << encoding.codeBits()) - 1;
    this.roundingBias = BlockLoops.roundingBias(encoding);
    this.unitCount = ScalarCodes.unitCount(encoding);
    this.fields =
        IntStream.range(0, ScalarGrid.COLUMNS_PER_BLOCK)
            .mapToObj(column -> ScalarCodes.fields(encoding, column))
            .toList();
  }

  @Override
  public void largest(LaneGroup group, int block, double[] largest) {
    int lanes = group.lanes();
    int offset = group.blockOffset(block);
    Arrays.fill(largest, block * lanes, (block + 1) * lanes, 0);
    for (int column = 0; column < group.blockColumns(block); column++) {
      takeLargest(group.values(), offset + column * lanes, lanes, largest, block * lanes);
    }
  }

  // The accumulators are doubles, here and in addErrors, because C2 vectorises a loop only where it
  // sees that its stores cannot change its loads, as with arrays of different types.
  private static void takeLargest(
      float[] values, int valuesAt, int lanes, double[] largest, int largestAt) {
    for (int lane = 0; lane < lanes; lane++) {
      largest[largestAt + lane] =
          Math.max(largest[largestAt + lane], Math.abs(values[valuesAt + lane]));
    }
  }

  @Override
  public void coveringSteps(
      double[] reaches, double[] largest, int largestAt, int lanes, int[] indices) {
    for (int lane = 0; lane < lanes; lane++) {
      int index = 0;
      while (index + 1 < ScalarGrid.SUB_SCALE_COUNT
          && reaches[(index + 1) * lanes + lane] >= largest[largestAt + lane]) {
        index++;
      }
      indices[lane] = index;
    }
  }

  @Override
  public void squaredErrors(LaneGroup group, int block, float[] inverseSteps, double[] errors) {
    int lanes = group.lanes();
    int offset = group.blockOffset(block);
    Arrays.fill(errors, 0, lanes, 0);
    for (int column = 0; column < group.blockColumns(block); column++) {
      addErrors(group.values(), offset + column * lanes, lanes, inverseSteps, errors);
    }
  }

  private void addErrors(
      float[] values, int valuesAt, int lanes, float[] inverseSteps, double[] errors) {
    for (int lane = 0; lane < lanes; lane++) {
      float position = values[valuesAt + lane] * inverseSteps[lane] + roundingBias;
      int code = Math.min(Math.max((int) position, 0), topCode);
      float error = position - (code + 0.5f);
      errors[lane] += error * error;
    }
  }

  @Override
  public void codes(LaneGroup group, int block, float[] inverseSteps, float[] biases, int[] words) {
    int lanes = group.lanes();
    int offset = group.blockOffset(block);
    Arrays.fill(words, 0, unitCount * lanes, 0);
    for (int column = 0; column < group.blockColumns(block); column++) {
      for (ScalarCodes.Field field : fields.get(column)) {
        addCodes(
            group.values(), offset + column * lanes, lanes, inverseSteps, biases, field, words);
      }
    }
  }

  /** Rounds the weights of a column to codes and adds a field of these to the lanes' words. */
  private void addCodes(
      float[] values,
      int valuesAt,
      int lanes,
      float[] inverseSteps,
      float[] biases,
      ScalarCodes.Field field,
      int[] words) {
    int wordsAt = field.unit() * lanes;
    int codeBit = field.codeBit();
    int mask = field.mask();
    int wordBit = field.wordBit();
    for (int lane = 0; lane < lanes; lane++) {
      float position = values[valuesAt + lane] * inverseSteps[lane] + biases[lane];
      int code = Math.min(Math.max((int) position, 0), topCode);
      words[wordsAt + lane] |= (code >>> codeBit & mask) << wordBit;
    }
  }
}
