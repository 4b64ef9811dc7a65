package bora.converter.cli;

import bora.verifier.ForwardTimes;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.StringJoiner;

/**
 * What a verification took beside the passes of its models, for standard error. Times are no part
 * of a report: equal verifications give equal reports.
 */
final class VerificationCost {
  private VerificationCost() {}

  /**
   * @param startNanos when the command began, by {@link System#nanoTime}
   */
  static void print(PrintWriter err, ForwardTimes times, long startNanos) {
    StringJoiner passes = new StringJoiner(", ");
    for (ForwardTimes.Kind kind : ForwardTimes.Kind.values()) {
      ForwardTimes.Spent spent = times.of(kind);
      if (spent.positions() > 0) {
        String name = kind.name().toLowerCase(Locale.ROOT);
        passes.add(
            Sizes.format("%s of %d positions %.2f s", name, spent.positions(), spent.seconds()));
      }
    }
    err.println(Sizes.format("forward passes took %.2f s: %s", times.seconds(), passes));
    double all = (System.nanoTime() - startNanos) * 1e-9;
    err.println(
        Sizes.format(
            "the whole verification took %.2f s, %.2f times that", all, all / times.seconds()));
  }
}
