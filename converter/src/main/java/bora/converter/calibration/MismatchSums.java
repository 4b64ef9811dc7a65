package bora.converter.calibration;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.quantizer.FeedbackFactor;
import bora.quantizer.MismatchCorrection;
import bora.quantizer.calibration.SecondMoments;
import bora.runtime.GramProduct;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Adds up one input as rounding has left it, and how it differs from the float model's. */
final class MismatchSums {
  private final GramProduct gramProduct;
  private final int columns;
  private final List<double[][]> moments = new ArrayList<>();
  private final List<double[][]> input = new ArrayList<>();
  private final List<double[][]> residual = new ArrayList<>();
  private long rows;

  /**
   * @param outputs the width of the residual stream, where the product is added to it, else 0
   */
  MismatchSums(ModelConfig config, TensorKey reader, int outputs, GramProduct gramProduct) {
    this.gramProduct = gramProduct;
    columns = config.tensors().get(reader).columns();
    int blockColumns = SecondMoments.blockColumns(columns);
    for (int first = 0; first < columns; first += blockColumns) {
      int width = Math.min(blockColumns, columns - first);
      moments.add(GramProduct.newSums(width));
      input.add(new double[width][width]);
      if (outputs > 0) {
        residual.add(new double[outputs][width]);
      }
    }
  }

  /**
   * Adds rows.
   *
   * @param rounded [rows, columns]
   * @param exact the same rows of the float model; receives the differences
   * @param errors of the residual stream [rows, outputs], or empty
   */
  void add(int count, float[] rounded, float[] exact, float[] errors, float[] weights) {
    float[] bounded = MomentSums.boundedWeights(columns, count, rounded, 0, weights, 0);
    for (int i = 0; i < count * columns; i++) {
      exact[i] -= rounded[i];
    }
    for (int row = 0; row < count; row++) {
      rows += weights[row] > 0 ? 1 : 0;
    }
    int first = 0;
    for (int block = 0; block < moments.size(); block++) {
      int width = moments.get(block).length;
      gramProduct.add(rounded, first, columns, count, bounded, 0, moments.get(block));
      gramProduct.addCross(
          exact, first, columns, rounded, first, columns, count, bounded, input.get(block));
      if (!residual.isEmpty()) {
        double[][] sums = residual.get(block);
        gramProduct.addCross(errors, 0, sums.length, rounded, first, columns, count, bounded, sums);
      }
      first += width;
    }
  }

  SecondMoments moments() {
    return new SecondMoments(rows, moments);
  }

  /** Empty where nothing was seen. Uses the sums up. */
  Optional<MismatchCorrection> correction(FeedbackFactor factor) {
    return moments().isEmpty()
        ? Optional.empty()
        : Optional.of(new MismatchCorrection(factor, moments(), input, residual));
  }
}
