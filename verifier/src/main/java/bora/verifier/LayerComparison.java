package bora.verifier;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * One layer's hidden states and router choices, gathered position by position, with the experts of
 * the positions that came out wrong.
 */
final class LayerComparison {
  private final int layer;
  private final int expertsPerToken;
  private final double positionLimit;
  private final double nearTieMargin;

  private int states;
  private double cosineSum;
  private double squaredDifference;
  private double squaredReference;
  private long decisions;
  private long flips;
  private long flipsBeyondMargin;
  private long orderKept;
  private final MarginHistogram margins = new MarginHistogram();
  private final int[] uses;
  private final List<int[]> expertsWhereBad = new ArrayList<>();

  /**
   * @param layer {@link LayerResult#EMBEDDING} for the embedding
   * @param positionLimit the cosine from which a position's hidden state is good; NaN for no limit
   */
  LayerComparison(
      int layer, int expertCount, int expertsPerToken, double positionLimit, double nearTieMargin) {
    this.layer = layer;
    this.expertsPerToken = expertsPerToken;
    this.positionLimit = positionLimit;
    this.nearTieMargin = nearTieMargin;
    this.uses = new int[expertCount];
  }

  void addRouting(PositionValues reference, PositionValues candidate) {
    for (int position = 0; position < reference.positions(); position++) {
      RouterChoice expected = RouterChoice.of(reference, position, expertsPerToken);
      RouterChoice found = RouterChoice.of(candidate, position, expertsPerToken);
      boolean flipped = !expected.sameExperts(found);
      decisions++;
      margins.add(expected.margin(), flipped);
      orderKept += expected.sameOrder(found) ? 1 : 0;
      if (flipped) {
        flips++;
        // Written so that a NaN is beyond the margin.
        flipsBeyondMargin += expected.margin() <= nearTieMargin ? 0 : 1;
      }
    }
  }

  /**
   * @param reference states of [positions, hidden], the outputs of this layer
   * @param referenceRouting the layer's router logits, null where there are none
   */
  void addHidden(
      PositionValues reference, PositionValues candidate, PositionValues referenceRouting) {
    for (int position = 0; position < reference.positions(); position++) {
      double cosine = addState(reference, candidate, position);
      if (referenceRouting != null) {
        int[] experts = RouterChoice.of(referenceRouting, position, expertsPerToken).experts();
        Arrays.stream(experts).forEach(expert -> uses[expert]++);
        if (cosine < positionLimit) {
          expertsWhereBad.add(experts);
        }
      }
    }
  }

  private double addState(PositionValues reference, PositionValues candidate, int position) {
    double dot = 0;
    double expectedSquares = 0;
    double foundSquares = 0;
    for (int i = 0; i < reference.width(); i++) {
      double expected = reference.at(position, i);
      double found = candidate.at(position, i);
      squaredDifference += (found - expected) * (found - expected);
      dot += expected * found;
      expectedSquares += expected * expected;
      foundSquares += found * found;
    }
    squaredReference += expectedSquares;
    double cosine = Cosine.of(dot, expectedSquares, foundSquares);
    cosineSum += cosine;
    states++;
    return cosine;
  }

  LayerResult result() {
    boolean hidden = states > 0;
    boolean routed = decisions > 0;
    return new LayerResult(
        layer,
        hidden ? OptionalDouble.of(cosineSum / states) : OptionalDouble.empty(),
        hidden ? OptionalDouble.of(squaredDifference / squaredReference) : OptionalDouble.empty(),
        routed ? OptionalLong.of(decisions) : OptionalLong.empty(),
        routed ? OptionalLong.of(flips) : OptionalLong.empty(),
        routed ? OptionalLong.of(flipsBeyondMargin) : OptionalLong.empty(),
        routed ? OptionalLong.of(orderKept) : OptionalLong.empty(),
        OptionalDouble.empty());
  }

  MarginHistogram margins() {
    return margins;
  }

  /**
   * The experts that explain this layer's wrong positions: every wrong position uses one of them,
   * and most uses of each went wrong. They are found by taking the expert of most wrong positions
   * until none is left. Empty when that takes more than half of the experts. Says something only
   * about the first wrong layer: from there on attention spreads the error.
   */
  List<Integer> suspects() {
    List<int[]> unexplained = new ArrayList<>(expertsWhereBad);
    List<Integer> suspects = new ArrayList<>();
    while (!unexplained.isEmpty()) {
      int suspect = Ranking.largest(usesIn(unexplained), 1)[0];
      suspects.add(suspect);
      unexplained.removeIf(experts -> contains(experts, suspect));
    }
    double[] bad = usesIn(expertsWhereBad);
    boolean convicted =
        2 * suspects.size() <= uses.length
            && suspects.stream().allMatch(expert -> 2 * bad[expert] > uses[expert]);
    return convicted ? suspects.stream().sorted().toList() : List.of();
  }

  private double[] usesIn(List<int[]> positions) {
    double[] counts = new double[uses.length];
    for (int[] experts : positions) {
      for (int expert : experts) {
        counts[expert]++;
      }
    }
    return counts;
  }

  private static boolean contains(int[] experts, int expert) {
    return Arrays.stream(experts).anyMatch(taken -> taken == expert);
  }
}
