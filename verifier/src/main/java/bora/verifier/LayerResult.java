package bora.verifier;

import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * How one layer compares. What the reference did not give is empty.
 *
 * @param layer 0-based, or {@link #EMBEDDING}
 * @param hiddenCosine of the layer's output, mean over positions; the last layer's is taken after
 *     the output norm
 * @param hiddenNmse squared difference divided by the reference's squares
 * @param routerDecisions router decisions compared
 * @param routerFlips decisions that took another set of experts
 * @param routerFlipsBeyondMargin flips where the reference's decision was no near tie
 */
public record LayerResult(
    int layer,
    OptionalDouble hiddenCosine,
    OptionalDouble hiddenNmse,
    OptionalLong routerDecisions,
    OptionalLong routerFlips,
    OptionalLong routerFlipsBeyondMargin) {
  /** Stands for the embedding, which comes before layer 0. */
  public static final int EMBEDDING = -1;
}
