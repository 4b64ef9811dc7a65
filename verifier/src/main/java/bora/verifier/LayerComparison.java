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
  private int goodStates;
  private final boolean[] usedWhereGood;
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
    this.usedWhereGood = new boolean[expertCount];
  }

  void addRouting(PositionValues reference, PositionValues candidate) {
    for (int position = 0; position < reference.positions(); position++) {
      RouterChoice expected = RouterChoice.of(reference, position, expertsPerToken);
      decisions++;
      if (!expected.sameExperts(RouterChoice.of(candidate, position, expertsPerToken))) {
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
        if (cosine < positionLimit) {
          expertsWhereBad.add(experts);
        } else {
          goodStates++;
          Arrays.stream(experts).forEach(expert -> usedWhereGood[expert] = true);
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
        routed ? OptionalLong.of(flipsBeyondMargin) : OptionalLong.empty());
  }

  /**
   * The experts that explain this layer's wrong positions: no good position uses them and every
   * wrong one uses at least one of them. Empty when experts explain nothing. Says something only
   * about the first wrong layer: from there on attention spreads the error.
   */
  List<Integer> suspects() {
    boolean[] suspected = new boolean[usedWhereGood.length];
    for (int[] experts : expertsWhereBad) {
      boolean explained = false;
      for (int expert : experts) {
        suspected[expert] |= !usedWhereGood[expert];
        explained |= suspected[expert];
      }
      if (!explained) {
        return List.of();
      }
    }
    List<Integer> suspects = new ArrayList<>();
    for (int expert = 0; expert < suspected.length; expert++) {
      if (suspected[expert]) {
        suspects.add(expert);
      }
    }
    return goodStates > 0 ? List.copyOf(suspects) : List.of();
  }
}
