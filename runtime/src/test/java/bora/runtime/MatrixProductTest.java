package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorShape;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MatrixProductTest {
  private static final int COLUMNS = 130;

  private static float[] random(int length, int seed) {
    Random random = new Random(seed);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static EncodedTensor matrix(Encoding encoding, int rows) {
    TensorShape shape = TensorShape.matrix(rows, COLUMNS);
    float[] values = random(rows * COLUMNS, rows);
    return EncodedTensors.encode(encoding, shape, values, new Random(rows));
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "1, 3", "2, 1", "2, 3", "3, 1", "5, 2"})
  void severalMatricesMakeWhatEachMakesAlone(int threads, int tokens) {
    EncodedTensor[] matrices = {
      matrix(Encoding.Q4, 700),
      matrix(Encoding.Q2, 17),
      matrix(Encoding.Q4, 64),
      matrix(Encoding.BF16, 130),
      matrix(Encoding.T3, 65),
    };
    FloatArray x = FloatArray.wrap(random(5 + tokens * COLUMNS, 1));
    FloatArray[] together =
        Arrays.stream(matrices)
            .map(matrix -> FloatArray.ofLength(3 + tokens * matrix.shape().rows()))
            .toArray(FloatArray[]::new);
    try (WorkerPool pool = new WorkerPool(threads);
        WorkerPool single = new WorkerPool(1)) {
      Kernels kernels = Kernels.fastest();
      new MatrixProduct(kernels, pool).compute(matrices, x, 5, tokens, together, 3);
      MatrixProduct alone = new MatrixProduct(kernels, single);
      for (int i = 0; i < matrices.length; i++) {
        FloatArray y = FloatArray.ofLength(together[i].length());
        alone.compute(matrices[i], x, 5, tokens, y, 3);
        assertArrayEquals(y.values(), together[i].values(), 0, "matrix " + i);
      }
    }
  }
}
