package bora.quantizer;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.calibration.SecondMoments;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What routers read of the residual stream, and so of the rows of every matrix that writes to it: a
 * token near a tie goes to another expert for a small error in these few directions. Of the router
 * of each layer that follows, the rows times the weight of the norm before it, less their mean,
 * which prefers no expert. Safe for use by several threads.
 */
final class RouterDirections {
  /** What the directions of a layer count for together, in units of all channels. */
  private static final double WEIGHT = 0.3;

  private final ModelConfig config;
  private final FoldedModel model;
  private final Map<Integer, OutputFeedback> feedbackFromLayer = new HashMap<>();

  RouterDirections(ModelConfig config, FoldedModel model) {
    this.config = config;
    this.model = model;
  }

  /** The feedback of what a matrix adds to the residual stream; none of other matrices. */
  OutputFeedback feedback(TensorKey key) throws IOException {
    return switch (key.role()) {
      case ATTENTION_OUTPUT -> feedbackFromLayer(key.layer());
      case EXPERT_DOWN -> feedbackFromLayer(key.layer() + 1);
      default -> OutputFeedback.NONE;
    };
  }

  private synchronized OutputFeedback feedbackFromLayer(int first) throws IOException {
    OutputFeedback feedback = feedbackFromLayer.get(first);
    if (feedback == null) {
      feedback = new OutputFeedback(directions(first));
      feedbackFromLayer.put(first, feedback);
    }
    return feedback;
  }

  /** The factor of {@code I + V V^T}, for a matrix whose rows are the residual stream. */
  FeedbackFactor embeddingFactor() throws IOException {
    double[][] directions = directions(0);
    int width = config.hiddenSize();
    if (directions.length == 0) {
      return FeedbackFactor.identity(width);
    }
    double[][] moments = new double[width][];
    for (int i = 0; i < width; i++) {
      moments[i] = new double[i + 1];
      moments[i][i] = 1;
      for (double[] direction : directions) {
        for (int j = 0; j <= i; j++) {
          moments[i][j] += direction[i] * direction[j];
        }
      }
    }
    return FeedbackFactor.of(new SecondMoments(Long.MAX_VALUE, List.<double[][]>of(moments)));
  }

  /** Of the routers from a layer on, [directions, hidden]. */
  private double[][] directions(int firstLayer) throws IOException {
    List<double[]> directions = new ArrayList<>();
    for (int layer = firstLayer; config.hasRouter() && layer < config.layerCount(); layer++) {
      directions.addAll(ofRouter(layer));
    }
    return directions.toArray(double[][]::new);
  }

  private List<double[]> ofRouter(int layer) throws IOException {
    int width = config.hiddenSize();
    float[] norm = new float[width];
    model.weights(TensorKey.ofLayer(layer, TensorRole.FEED_FORWARD_NORM)).readRows(0, 1, norm, 0);
    WeightSource router = model.weights(TensorKey.ofLayer(layer, TensorRole.ROUTER));
    List<double[]> rows = new ArrayList<>();
    double[] mean = new double[width];
    float[] row = new float[width];
    for (int expert = 0; expert < config.expertCount(); expert++) {
      router.readRows(expert, 1, row, 0);
      double[] direction = new double[width];
      for (int i = 0; i < width; i++) {
        direction[i] = (double) row[i] * norm[i];
        mean[i] += direction[i] / config.expertCount();
      }
      rows.add(direction);
    }
    double squares = 0;
    for (double[] direction : rows) {
      for (int i = 0; i < width; i++) {
        direction[i] -= mean[i];
        squares += direction[i] * direction[i];
      }
    }
    double scale = squares > 0 ? Math.sqrt(WEIGHT * width / squares) : 0;
    for (double[] direction : rows) {
      for (int i = 0; i < width; i++) {
        direction[i] *= scale;
      }
    }
    return rows;
  }
}
