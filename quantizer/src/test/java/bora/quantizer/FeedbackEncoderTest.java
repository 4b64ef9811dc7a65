package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import bora.quantizer.calibration.SecondMoments;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FeedbackEncoderTest {
  private static final int ROWS = 48;
  private static final int COLUMNS = 200;
  private static final double DAMPING = 0.01;

  private final float[] weights = new float[ROWS * COLUMNS];
  private final double[][] moments = new double[COLUMNS][];

  FeedbackEncoderTest() {
    Random random = new Random(5);
    for (int i = 0; i < weights.length; i++) {
      weights[i] = (float) random.nextGaussian();
    }
    fill(moments, random);
  }

  /** Moments of inputs that go together: each a mixture of a few sources and noise of its own. */
  private static void fill(double[][] moments, Random random) {
    int samples = 1000;
    double[][] mixture = new double[COLUMNS][20];
    for (double[] row : mixture) {
      for (int i = 0; i < row.length; i++) {
        row[i] = random.nextGaussian();
      }
    }
    for (int i = 0; i < COLUMNS; i++) {
      moments[i] = new double[i + 1];
      for (int j = 0; j <= i; j++) {
        double dot = i == j ? 1 : 0;
        for (int k = 0; k < 20; k++) {
          dot += mixture[i][k] * mixture[j][k];
        }
        moments[i][j] = samples * dot;
      }
    }
  }

  private SecondMoments seen() {
    return new SecondMoments(1000, List.<double[][]>of(moments));
  }

  private double damped(int i, int j) {
    double trace = 0;
    for (int k = 0; k < COLUMNS; k++) {
      trace += moments[k][k];
    }
    return moments[Math.max(i, j)][Math.min(i, j)] + (i == j ? DAMPING * trace / COLUMNS : 0);
  }

  private WeightSource source() {
    return new WeightSource() {
      @Override
      public TensorKey key() {
        return TensorKey.ofLayer(0, TensorRole.QUERY);
      }

      @Override
      public TensorShape shape() {
        return TensorShape.matrix(ROWS, COLUMNS);
      }

      @Override
      public Encoding exactEncoding() {
        return Encoding.F32;
      }

      @Override
      public void readRows(int row, int count, float[] values, int offset) {
        System.arraycopy(weights, row * COLUMNS, values, offset, count * COLUMNS);
      }
    };
  }

  /** The loss of decoded bytes, by its definition. */
  private double loss(byte[] bytes, Encoding encoding) {
    EncodedTensor tensor =
        new EncodedTensor(encoding, source().shape(), MemorySegment.ofArray(bytes));
    double loss = 0;
    float[] row = new float[COLUMNS];
    for (int r = 0; r < ROWS; r++) {
      tensor.decodeRow(r, row, 0);
      for (int i = 0; i < COLUMNS; i++) {
        for (int j = 0; j < COLUMNS; j++) {
          loss += error(r, i, row) * damped(i, j) * error(r, j, row);
        }
      }
    }
    return loss;
  }

  private double error(int row, int column, float[] decoded) {
    return (double) weights[row * COLUMNS + column] - decoded[column];
  }

  private interface Encoder {
    void encode(ByteSink sink) throws IOException;
  }

  private static byte[] bytes(Encoder encoder) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    encoder.encode(
        chunk -> {
          byte[] copy = new byte[chunk.remaining()];
          chunk.get(copy);
          out.writeBytes(copy);
        });
    return out.toByteArray();
  }

  @Test
  void factorReproducesTheDampedMoments() {
    FeedbackFactor factor = FeedbackFactor.of(seen());
    for (int i = 0; i < COLUMNS; i += 7) {
      for (int j = 0; j <= i; j += 5) {
        double product = 0;
        for (int k = i; k < COLUMNS; k++) {
          double mik = k == i ? 1 : factor.coefficients(k)[i];
          double mjk = k == j ? 1 : factor.coefficients(k)[j];
          product += mik * mjk * factor.weight(k);
        }
        assertEquals(damped(i, j), product, 1e-4 * Math.sqrt(damped(i, i) * damped(j, j)));
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"Q2", "Q3", "Q4", "Q8", "T2", "T4"})
  void tellsTheLossOfWhatItWrote(Encoding encoding) throws IOException {
    double[] told = new double[1];
    byte[] encoded =
        bytes(
            sink ->
                told[0] =
                    new FeedbackEncoder()
                        .encode(
                            source(),
                            encoding,
                            FeedbackFactor.of(seen()),
                            OutputFeedback.NONE,
                            sink));
    assertEquals(encoding.encodedBytes(source().shape()), encoded.length);
    assertEquals(1, loss(encoded, encoding) / told[0], 1e-3);
  }

  @ParameterizedTest
  @EnumSource(names = {"Q2", "Q3", "Q4", "Q8", "T2", "T4"})
  void losesMuchLessThanRoundingToTheNearest(Encoding encoding) throws IOException {
    byte[] fedBack =
        bytes(
            sink ->
                new FeedbackEncoder()
                    .encode(
                        source(), encoding, FeedbackFactor.of(seen()), OutputFeedback.NONE, sink));
    byte[] nearest = bytes(sink -> new TensorEncoder().encode(source(), encoding, sink));
    double ratio = loss(fedBack, encoding) / loss(nearest, encoding);
    assertTrue(ratio < 0.5, "expected less than half the loss, found " + ratio);
  }

  @Test
  void bytesDependOnNothingEncodedBefore() throws IOException {
    FeedbackEncoder used = new FeedbackEncoder();
    FeedbackFactor factor = FeedbackFactor.of(seen());
    byte[] first =
        bytes(sink -> used.encode(source(), Encoding.Q4, factor, OutputFeedback.NONE, sink));
    bytes(sink -> used.encode(source(), Encoding.Q8, factor, OutputFeedback.NONE, sink));
    assertArrayEquals(
        first,
        bytes(sink -> used.encode(source(), Encoding.Q4, factor, OutputFeedback.NONE, sink)));
  }
}
