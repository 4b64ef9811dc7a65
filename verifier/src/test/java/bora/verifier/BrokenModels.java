package bora.verifier;

import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.util.Arrays;
import java.util.Set;

/** Reference models with one step done wrong, as real implementations have done it. */
final class BrokenModels {
  private BrokenModels() {}

  /** Experts are summed without their weights in some layers. */
  static ReferenceModel unweighted(WeightSource weights, Set<Integer> layers) {
    ReferenceSteps steps =
        new ReferenceSteps(weights.config()) {
          @Override
          Routing route(int layer, int position, double[] logits, int expertsPerToken) {
            Routing right = super.route(layer, position, logits, expertsPerToken);
            double[] ones = new double[expertsPerToken];
            Arrays.fill(ones, 1);
            return layers.contains(layer) ? new Routing(right.experts(), ones) : right;
          }
        };
    return new ReferenceModel(weights, steps);
  }

  /** The chosen experts keep their share of the softmax over all experts. */
  static ReferenceModel notRenormalised(WeightSource weights, int brokenLayer) {
    ReferenceSteps steps =
        new ReferenceSteps(weights.config()) {
          @Override
          Routing route(int layer, int position, double[] logits, int expertsPerToken) {
            Routing right = super.route(layer, position, logits, expertsPerToken);
            double[] all = NaiveArithmetic.softmax(logits);
            double[] shares = Arrays.stream(right.experts()).mapToDouble(e -> all[e]).toArray();
            return layer == brokenLayer ? new Routing(right.experts(), shares) : right;
          }
        };
    return new ReferenceModel(weights, steps);
  }

  static ReferenceModel oneExpertTooFew(WeightSource weights, int brokenLayer) {
    ReferenceSteps steps =
        new ReferenceSteps(weights.config()) {
          @Override
          Routing route(int layer, int position, double[] logits, int expertsPerToken) {
            return super.route(
                layer,
                position,
                logits,
                layer == brokenLayer ? expertsPerToken - 1 : expertsPerToken);
          }
        };
    return new ReferenceModel(weights, steps);
  }

  /** Queries are rotated for the next position. A shift of keys and queries alike is no error. */
  static ReferenceModel shiftedQueries(WeightSource weights, int brokenLayer) {
    ReferenceSteps steps =
        new ReferenceSteps(weights.config()) {
          @Override
          double ropeAngle(int layer, TensorRole projection, int position, int pair) {
            boolean shifted = layer == brokenLayer && projection == TensorRole.QUERY;
            return super.ropeAngle(layer, projection, shifted ? position + 1 : position, pair);
          }
        };
    return new ReferenceModel(weights, steps);
  }

  /** Rotates as if theta were a hundred times larger. */
  static ReferenceModel wrongTheta(WeightSource weights) {
    ReferenceSteps steps =
        new ReferenceSteps(weights.config()) {
          @Override
          double ropeAngle(int layer, TensorRole projection, int position, int pair) {
            double exponent = -2.0 * pair / weights.config().headDim();
            return super.ropeAngle(layer, projection, position, pair) * Math.pow(100, exponent);
          }
        };
    return new ReferenceModel(weights, steps);
  }

  static ReferenceModel windowIgnored(WeightSource weights) {
    ReferenceSteps steps =
        new ReferenceSteps(weights.config()) {
          @Override
          boolean attends(int layer, int queryPosition, int keyPosition) {
            return true;
          }
        };
    return new ReferenceModel(weights, steps);
  }

  /** The window counts the token itself on top. */
  static ReferenceModel windowTooLongByOne(WeightSource weights) {
    ReferenceSteps steps =
        new ReferenceSteps(weights.config()) {
          @Override
          boolean attends(int layer, int queryPosition, int keyPosition) {
            return super.attends(layer, queryPosition - 1, keyPosition);
          }
        };
    return new ReferenceModel(weights, steps);
  }

  static ReferenceModel normDropped(WeightSource weights, TensorKey dropped) {
    ReferenceSteps steps =
        new ReferenceSteps(weights.config()) {
          @Override
          double[] rmsNorm(TensorKey norm, float[] weight, double[] x) {
            return norm.equals(dropped) ? x.clone() : super.rmsNorm(norm, weight, x);
          }
        };
    return new ReferenceModel(weights, steps);
  }

  /** Query heads share key heads in turn instead of in groups. */
  static ReferenceModel headsInTurn(WeightSource weights) {
    ReferenceSteps steps =
        new ReferenceSteps(weights.config()) {
          @Override
          int kvHead(int head) {
            return head % weights.config().kvHeadCount();
          }
        };
    return new ReferenceModel(weights, steps);
  }
}
