package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * How far products with float32 activations, as {@link DigitProducts} defines them, are from exact
 * ones, beside products that are computed in float32.
 */
class ProductErrorTest {
  private static final int ROWS = 128;
  private static final int COLUMNS = 2048;
  private static final int BLOCK = ScalarGrid.COLUMNS_PER_BLOCK;

  /** What is allowed, of the error in float32: 0.7 to 2.0 of it are measured. */
  private static final double ALLOWED = 2.2;

  /** What a layer's activations may be like. */
  private enum Content {
    GAUSSIAN {
      @Override
      double value(Random random, int column) {
        return random.nextGaussian();
      }
    },
    HEAVY_TAILS {
      @Override
      double value(Random random, int column) {
        return random.nextGaussian() / Math.sqrt(-Math.log(1 - random.nextDouble()));
      }
    },
    GATED {
      @Override
      double value(Random random, int column) {
        double gate = random.nextGaussian();
        return gate / (1 + Math.exp(-gate)) * random.nextGaussian();
      }
    },
    ONE_OUTLIER {
      @Override
      double value(Random random, int column) {
        return column == 1000 ? 300 : random.nextGaussian();
      }
    },
    SOME_OUTLIERS {
      @Override
      double value(Random random, int column) {
        return (random.nextInt(100) == 0 ? 50 : 1) * random.nextGaussian();
      }
    };

    abstract double value(Random random, int column);
  }

  @ParameterizedTest
  @EnumSource(Content.class)
  void errorsAreThoseOfFloat32(Content content) {
    for (Encoding encoding : new Encoding[] {Encoding.Q8, Encoding.Q4, Encoding.Q2}) {
      Random random = new Random(content.ordinal());
      float[] x = new float[COLUMNS];
      for (int column = 0; column < COLUMNS; column++) {
        x[column] = (float) content.value(random, column);
      }
      DigitProducts.Block[] blocks = DigitProducts.blocks(ActivationDigits.THREE, x, 0, COLUMNS);
      double ours = 0;
      double float32 = 0;
      for (int row = 0; row < ROWS; row++) {
        byte[] codes = new byte[COLUMNS];
        random.nextBytes(codes);
        float[] steps = new float[COLUMNS / BLOCK];
        for (int k = 0; k < steps.length; k++) {
          steps[k] = 0.5f + random.nextFloat();
        }
        for (int column = 0; column < COLUMNS; column++) {
          codes[column] &= (byte) ((1 << encoding.codeBits()) - 1);
        }
        double exact = exact(encoding, codes, steps, x);
        float product = DigitProducts.multiply(encoding, codes, steps, blocks, blocks.length);
        ours += Math.pow(product - exact, 2);
        float32 += Math.pow(inFloat32(encoding, codes, steps, x) - exact, 2);
      }
      double ratio = Math.sqrt(ours / float32);
      assertTrue(
          ratio < ALLOWED, () -> encoding + ": " + ratio + " times the error of float32 sums");
    }
  }

  private static double level(Encoding encoding, byte code) {
    return (code & 0xFF) - ((1 << encoding.codeBits()) - 1) / 2.0;
  }

  private static double exact(Encoding encoding, byte[] codes, float[] steps, float[] x) {
    double sum = 0;
    for (int column = 0; column < COLUMNS; column++) {
      sum += level(encoding, codes[column]) * steps[column / BLOCK] * x[column];
    }
    return sum;
  }

  /** As kernels for floats do it: a block's columns one by one, then the blocks. */
  private static float inFloat32(Encoding encoding, byte[] codes, float[] steps, float[] x) {
    float sum = 0;
    for (int start = 0; start < COLUMNS; start += BLOCK) {
      float product = 0;
      for (int column = start; column < start + BLOCK; column++) {
        product = Math.fma((float) level(encoding, codes[column]), x[column], product);
      }
      sum = Math.fma(steps[start / BLOCK], product, sum);
    }
    return sum;
  }
}
