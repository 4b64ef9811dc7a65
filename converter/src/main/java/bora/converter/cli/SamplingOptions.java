package bora.converter.cli;

import bora.runtime.Sampling;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** How tokens are chosen: the options that {@code generate} and {@code chat} share. */
final class SamplingOptions {
  @Option(
      names = "--temperature",
      paramLabel = "X",
      description = "draw from the softmax of logits divided by X; greedy without")
  private Double temperature;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      defaultValue = "0",
      description = "draw from the K most likely tokens; default: from all")
  private int topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      defaultValue = "1",
      description = "draw from the most likely tokens that together have probability P")
  private double topP;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      defaultValue = "0",
      description = "draw from tokens at least P times as likely as the most likely one")
  private double minP;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      defaultValue = "1",
      description = "divide the positive logits of tokens that occurred by X, multiply negative")
  private double repetitionPenalty;

  @Option(
      names = "--seed",
      paramLabel = "S",
      defaultValue = "0",
      description = "of the draws; equal seeds give equal tokens; default ${DEFAULT-VALUE}")
  private long seed;

  Sampling sampling(CommandLine.Model.CommandSpec spec) {
    Sampling.Candidates candidates = Usage.value(() -> new Sampling.Candidates(topK, topP, minP));
    if (temperature != null) {
      return Usage.value(
          () -> new Sampling.Temperature(temperature, candidates, repetitionPenalty, seed));
    }
    Usage.require(
        spec,
        candidates.equals(Sampling.Candidates.ALL),
        "--top-k, --top-p, --min-p: expected --temperature with them, found none;"
            + " greedy takes the most likely token");
    return Usage.value(() -> new Sampling.Greedy(repetitionPenalty));
  }
}
