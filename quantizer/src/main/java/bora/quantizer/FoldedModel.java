package bora.quantizer;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.calibration.MomentsSource;
import bora.quantizer.calibration.SecondMoments;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * A model as it is rounded: its weights with {@link ChannelFolds} applied, and the feedback factors
 * of its inputs to match. Safe for use by several threads; the folds of a layer are chosen once.
 */
public final class FoldedModel {
  private final ModelConfig config;
  private final Function<TensorKey, WeightSource> weights;
  private final MomentsSource moments;
  private final Map<Integer, ChannelFolds> foldsOfLayer = new HashMap<>();
  private final RouterDirections routers;

  /**
   * @param weights the model's own
   * @param moments {@link MomentsSource#NONE} where there is no calibration
   */
  public FoldedModel(
      ModelConfig config, Function<TensorKey, WeightSource> weights, MomentsSource moments) {
    this.config = config;
    this.weights = weights;
    this.moments = moments;
    routers = new RouterDirections(config, this);
  }

  private Optional<ChannelFolds> folds(int layer) throws IOException {
    if (layer < 0) {
      return Optional.empty();
    }
    synchronized (foldsOfLayer) {
      ChannelFolds folds = foldsOfLayer.get(layer);
      if (folds == null) {
        folds = ChannelFolds.of(config, layer, weights);
        foldsOfLayer.put(layer, folds);
      }
      return Optional.of(folds);
    }
  }

  /** A tensor, folded. */
  public WeightSource weights(TensorKey key) throws IOException {
    WeightSource source = weights.apply(key);
    return folds(key.layer()).map(folds -> folds.fold(source)).orElse(source);
  }

  /** How errors of the rows of a matrix are fed back: by what routers read of them. */
  public OutputFeedback outputFeedback(TensorKey key) throws IOException {
    return routers.feedback(key);
  }

  /**
   * The factor of what a matrix reads: the identity where nothing is known of it. What is looked up
   * in an embedding counts as routers read it.
   *
   * @throws IOException when the moments cannot be read or factored, naming the tensor
   */
  public FeedbackFactor factor(TensorKey key) throws IOException {
    TensorKey reader = MomentsSource.readerOf(key);
    Optional<SecondMoments> seen = moments.moments(reader);
    if (seen.isEmpty() && key.role() == TensorRole.EMBEDDING) {
      return routers.embeddingFactor();
    }
    if (seen.isEmpty()) {
      return FeedbackFactor.identity(weights.apply(key).shape().columns());
    }
    try {
      return FeedbackFactor.of(seen.get());
    } catch (ArithmeticException e) {
      throw new IOException(reader + ": " + e.getMessage() + "; calibrate again", e);
    }
  }
}
