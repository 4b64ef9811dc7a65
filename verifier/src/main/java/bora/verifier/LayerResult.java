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
 * @param routerOrderKept decisions that took the same experts and ranked them in the same order
 * @param hiddenNmseImposedRouting what {@code hiddenNmse} is, over the sequences run again, when
 *     the reference's choices of experts are imposed on the candidate
 */
public record LayerResult(
    int layer,
    OptionalDouble hiddenCosine,
    OptionalDouble hiddenNmse,
    OptionalLong routerDecisions,
    OptionalLong routerFlips,
    OptionalLong routerFlipsBeyondMargin,
    OptionalLong routerOrderKept,
    OptionalDouble hiddenNmseImposedRouting) {
  /** Stands for the embedding, which comes before layer 0. */
  public static final int EMBEDDING = -1;

  /** This result with what was found when the reference's choices were imposed. */
  LayerResult withImposedRouting(LayerResult imposed) {
    return new LayerResult(
        layer,
        hiddenCosine,
        hiddenNmse,
        routerDecisions,
        routerFlips,
        routerFlipsBeyondMargin,
        routerOrderKept,
        imposed.hiddenNmse);
  }
}
