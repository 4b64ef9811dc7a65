package bora.converter.calibration;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.quantizer.FeedbackFactor;
import bora.quantizer.MismatchCorrection;
import bora.quantizer.calibration.SecondMoments;
import bora.runtime.GramProduct;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Adds up one input as rounding has left it, and how it differs from the float model's. */
final class MismatchSums {
  /**
   * The energy of a difference, in medians of its batch, beyond which it does not count for more: a
   * token that went to other experts differs far more than any correction of weights can mend.
   */
  private static final double LARGEST = 16;

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
   * @param errors of the residual stream [rows, outputs], or empty; outliers are shortened
   */
  void add(int count, float[] rounded, float[] exact, float[] errors, float[] weights) {
    float[] bounded = MomentSums.boundedWeights(columns, count, rounded, 0, weights, 0);
    for (int i = 0; i < count * columns; i++) {
      exact[i] -= rounded[i];
    }
    shortenOutliers(exact, count);
    shortenOutliers(errors, count);
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

  /** Shortens rows of more than {@link #LARGEST} times the energy of the median to that. */
  private static void shortenOutliers(float[] x, int rows) {
    if (x.length == 0) {
      return;
    }
    int width = x.length / rows;
    double[] energies = new double[rows];
    for (int i = 0; i < x.length; i++) {
      energies[i / width] += (double) x[i] * x[i];
    }
    double[] sorted = energies.clone();
    Arrays.sort(sorted);
    double largest = LARGEST * sorted[rows / 2];
    for (int row = 0; row < rows; row++) {
      if (energies[row] > largest) {
        float factor = (float) Math.sqrt(largest / energies[row]);
        for (int i = row * width; i < (row + 1) * width; i++) {
          x[i] *= factor;
        }
      }
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
