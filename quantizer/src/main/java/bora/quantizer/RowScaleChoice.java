package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;

/** Chooses the scale of every row before its first column is encoded. */
@FunctionalInterface
interface RowScaleChoice {
  /** Room for what feedback adds to the largest weight of a row. */
  float SLACK = 1.02f;

  /**
   * @param lanes at least those of the group; rows that are not there have the scale 0
   * @return scales that the format allows
   */
  float[] scales(LaneGroup group, FeedbackFactor factor, int lanes);

  static RowScaleChoice of(Encoding encoding) {
    if (encoding.isTrellis()) {
      return (group, factor, lanes) -> proportional(encoding, group, factor);
    }
    float reach = ScalarGrid.centre(encoding.codeBits()) + 0.5f;
    return (group, factor, lanes) -> covering(group, lanes, reach);
  }

  /** The smallest scale whose grid covers the row's largest weight, with some slack. */
  private static float[] covering(LaneGroup group, int lanes, float reach) {
    float[] scales = new float[lanes];
    for (int column = 0; column < group.columns(); column++) {
      for (int lane = 0; lane < group.lanes(); lane++) {
        float magnitude = Math.abs(group.values()[column * group.lanes() + lane]);
        scales[lane] = Math.max(scales[lane], magnitude);
      }
    }
    for (int lane = 0; lane < lanes; lane++) {
      scales[lane] = RowScales.covering(scales[lane] * SLACK / reach);
    }
    return scales;
  }

  /**
   * A multiple of the root mean square of the row, every weight counted by what its error costs.
   */
  private static float[] proportional(Encoding encoding, LaneGroup group, FeedbackFactor factor) {
    double[] squares = new double[group.lanes()];
    double total = 0;
    for (int column = 0; column < group.columns(); column++) {
      double weight = factor.weight(column);
      total += weight;
      for (int lane = 0; lane < group.lanes(); lane++) {
        double value = group.values()[column * group.lanes() + lane];
        squares[lane] += weight * value * value;
      }
    }
    float[] scales = new float[group.lanes()];
    for (int lane = 0; lane < scales.length; lane++) {
      scales[lane] = RowScales.trellis(encoding, Math.sqrt(squares[lane] / total));
    }
    return scales;
  }
}
