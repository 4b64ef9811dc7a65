package bora.verifier;

import java.util.Arrays;
import java.util.Optional;

/**
 * What is measured: the one list of names, directions and meanings. {@code docs/verification.md}
 * has the formulas. A metric that a reference cannot give is absent, never zero.
 */
public enum Metric {
  OUTPUTS_NON_FINITE(
      "outputs.nonFinite",
      Direction.AT_MOST,
      "values",
      "values of the candidate that are NaN or infinite"),
  LOGITS_NMSE(
      "logits.nmse",
      Direction.AT_MOST,
      "ratio",
      "squared difference of the logits, divided by the reference's squares"),
  LOGITS_MAX_ABS(
      "logits.maxAbs", Direction.AT_MOST, "logits", "largest difference of any single logit"),
  LOGITS_COSINE(
      "logits.cosine",
      Direction.AT_LEAST,
      "ratio",
      "cosine between both logit vectors, mean over positions"),
  KLD_MEAN(
      "kld.mean",
      Direction.AT_MOST,
      "nats",
      "KL divergence of the candidate from the reference, mean over positions"),
  KLD_P99("kld.p99", Direction.AT_MOST, "nats", "the same, 99th percentile of the positions"),
  KLD_REVERSE_MEAN(
      "kld.reverse.mean",
      Direction.AT_MOST,
      "nats",
      "KL divergence of the reference from the candidate, mean over positions"),
  KLD_MEAN_IMPOSED_ROUTING(
      "kld.mean.imposedRouting",
      Direction.AT_MOST,
      "nats",
      "KL divergence of the candidate when it follows the reference's choices of experts"),
  KLD_MEAN_FLIPS(
      "kld.mean.flips",
      Direction.AT_MOST,
      "nats",
      "KL divergence that the candidate's own choices of experts add, on the same positions"),
  TOP1_AGREEMENT(
      "top1.agreement",
      Direction.AT_LEAST,
      "ratio",
      "share of positions where both find the same token most probable"),
  TOP5_AGREEMENT(
      "top5.agreement",
      Direction.AT_LEAST,
      "ratio",
      "share of the reference's five most probable tokens among the candidate's five"),
  PERPLEXITY(
      "perplexity", Direction.AT_MOST, "perplexity", "perplexity of the candidate on the tokens"),
  PERPLEXITY_REFERENCE(
      "perplexity.reference",
      Direction.AT_MOST,
      "perplexity",
      "perplexity of the reference on the same tokens"),
  NLL_MAX_ABS(
      "nll.maxAbs",
      Direction.AT_MOST,
      "nats",
      "largest difference of the negative log-likelihood of any token"),
  HIDDEN_COSINE_MIN(
      "hidden.cosine.min",
      Direction.AT_LEAST,
      "ratio",
      "cosine between both hidden states, mean over positions, of the worst layer"),
  ROUTER_AGREEMENT(
      "router.agreement",
      Direction.AT_LEAST,
      "ratio",
      "share of router decisions that take the same set of experts"),
  ROUTER_ORDER_AGREEMENT(
      "router.order.agreement",
      Direction.AT_LEAST,
      "ratio",
      "share of router decisions that take the same experts and rank them in the same order"),
  ROUTER_FLIPS(
      "router.flips", Direction.AT_MOST, "decisions", "router decisions that take another set"),
  ROUTER_FLIPS_BEYOND_MARGIN(
      "router.flips.beyondMargin",
      Direction.AT_MOST,
      "decisions",
      "flips where the reference's decision was no near tie"),
  GREEDY_MATCHED(
      "greedy.matched",
      Direction.AT_LEAST,
      "tokens",
      "greedily generated tokens that match, up to the first that differs"),
  GREEDY_LENGTH(
      "greedy.length", Direction.AT_LEAST, "tokens", "tokens of the recorded greedy continuation"),
  DECODE_MAX_ABS_VS_PREFILL(
      "decode.maxAbsVsPrefill",
      Direction.AT_MOST,
      "logits",
      "largest difference of any logit between the candidate's decode and its own prefill"),
  CONVERSION_MISROUNDED(
      "conversion.misrounded",
      Direction.AT_MOST,
      "weights",
      "stored weights that are not the nearest to the checkpoint's that their scales allow"),
  CONVERSION_ERROR(
      "conversion.error",
      Direction.AT_MOST,
      "ratio",
      "squared error of the worst tensor, divided by what its encoding promises");

  /** Which side of a limit is good. */
  public enum Direction {
    AT_MOST("atMost"),
    AT_LEAST("atLeast");

    private final String jsonName;

    Direction(String jsonName) {
      this.jsonName = jsonName;
    }

    /** The name in gates and reports. */
    public String jsonName() {
      return jsonName;
    }
  }

  private final String id;
  private final Direction direction;
  private final String unit;
  private final String meaning;

  Metric(String id, Direction direction, String unit, String meaning) {
    this.id = id;
    this.direction = direction;
    this.unit = unit;
    this.meaning = meaning;
  }

  /** The name in gates and reports. */
  public String id() {
    return id;
  }

  /** Which side of a limit is good. */
  public Direction direction() {
    return direction;
  }

  public String unit() {
    return unit;
  }

  /** In one phrase, for reports. */
  public String meaning() {
    return meaning;
  }

  /** Whether a gate may limit it; the others have one right value, whatever is released. */
  public boolean isLimitedByGates() {
    return this != CONVERSION_MISROUNDED && this != CONVERSION_ERROR;
  }

  /** Finds a metric by its id. */
  public static Optional<Metric> ofId(String id) {
    return Arrays.stream(values()).filter(metric -> metric.id.equals(id)).findFirst();
  }
}
