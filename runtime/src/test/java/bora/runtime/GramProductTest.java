package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GramProductTest {
  private static double[][] sums(int columns, int rows, int threads, float[] x, float[] weights) {
    double[][] sums = GramProduct.newSums(columns);
    try (WorkerPool pool = new WorkerPool(threads)) {
      GramProduct product = new GramProduct(Kernels.portable(), pool);
      product.add(x, 3, columns + 5, rows, weights, 1, sums);
    }
    return sums;
  }

  private static float[] random(int length) {
    Random random = new Random(length);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "7, 3", "129, 40", "300, 257", "512, 600"})
  void addsWeightedSecondMoments(int columns, int rows) {
    float[] x = random(3 + rows * (columns + 5));
    float[] weights = random(rows + 1);
    double[][] sums = sums(columns, rows, 2, x, weights);
    for (int i = 0; i < columns; i += 1 + columns / 9) {
      for (int j = 0; j <= i; j += 1 + columns / 7) {
        double expected = 0;
        double magnitude = 0;
        for (int row = 0; row < rows; row++) {
          double weight = weights[1 + row];
          int at = 3 + row * (columns + 5);
          expected += weight * weight * x[at + i] * x[at + j];
          magnitude += Math.abs(weight * weight * x[at + i] * x[at + j]);
        }
        assertEquals(expected, sums[i][j], 1e-5 * magnitude, i + ", " + j);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 4, 1", "7, 3, 5", "130, 40, 300"})
  void addsWeightedProductsOfTwoActivations(int leftColumns, int rightColumns, int rows) {
    float[] left = random(2 + rows * (leftColumns + 1));
    float[] right = random(4 + rows * (rightColumns + 3));
    float[] weights = random(rows);
    double[][] sums = new double[leftColumns][rightColumns];
    try (WorkerPool pool = new WorkerPool(2)) {
      GramProduct product = new GramProduct(Kernels.portable(), pool);
      product.addCross(left, 2, leftColumns + 1, right, 4, rightColumns + 3, rows, weights, sums);
    }
    for (int i = 0; i < leftColumns; i += 1 + leftColumns / 9) {
      for (int j = 0; j < rightColumns; j += 1 + rightColumns / 7) {
        double expected = 0;
        double magnitude = 0;
        for (int row = 0; row < rows; row++) {
          double weight = weights[row];
          float l = left[2 + row * (leftColumns + 1) + i];
          float r = right[4 + row * (rightColumns + 3) + j];
          expected += weight * weight * l * r;
          magnitude += Math.abs(weight * weight * l * r);
        }
        assertEquals(expected, sums[i][j], 1e-5 * magnitude, i + ", " + j);
      }
    }
  }

  @Test
  void doesNotDependOnThreads() {
    float[] x = random(3 + 300 * 205);
    float[] weights = random(301);
    double[][] one = sums(200, 300, 1, x, weights);
    double[][] three = sums(200, 300, 3, x, weights);
    for (int i = 0; i < one.length; i++) {
      assertArrayEquals(one[i], three[i]);
    }
  }
}
