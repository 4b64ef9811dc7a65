package bora.converter.cli;

import bora.verifier.Check;
import bora.verifier.ExpertShare;
import bora.verifier.LayerResult;
import bora.verifier.Metric;
import bora.verifier.Verdict;
import bora.verifier.VerificationReport;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Collectors;

/** What {@code bora verify} shows a person: the verdict first. */
final class VerificationText {
  private static final int MAX_EXPERTS = 10;

  private VerificationText() {}

  static void print(PrintWriter screen, Path pack, VerificationReport report) {
    PrintWriter out = PlainWriter.over(screen);
    out.println(pack + ": " + (report.verdict() == Verdict.PASS ? "PASS" : "FAIL"));
    out.println(
        "against "
            + report.reference().getOrDefault("file", "")
            + " ("
            + report.reference().getOrDefault("producer", "unknown producer")
            + "), gate "
            + report.gate()
            + ", kernels "
            + report.candidate().getOrDefault("kernels", "unknown"));
    out.println(
        report.scoredPositions()
            + " positions scored, "
            + report.decodedPositions()
            + " decoded one by one");
    out.println();
    Table checks = new Table().row("check", "measured", "limit", "verdict", "");
    for (Check check : report.checks()) {
      checks.row(
          check.name(),
          number(check.measured()),
          check.metric().direction().jsonName() + " " + number(check.limit()),
          check.verdict() == Verdict.PASS ? "pass" : "FAIL",
          check.where());
    }
    out.print(checks);
    printOtherMetrics(out, report);
    report.fault().ifPresent(fault -> out.println("\nFirst fault: " + fault));
    report.greedyDivergence().ifPresent(parted -> out.println("\nGreedy: " + parted));
    printLayers(out, report);
    printExperts(out, report);
  }

  private static void printExperts(PrintWriter out, VerificationReport report) {
    if (report.experts().isEmpty()) {
      return;
    }
    int shown = Math.min(MAX_EXPERTS, report.experts().size());
    out.println(
        "\nThe " + shown + " costliest of " + report.experts().size() + " experts, each replaced:");
    Table experts = new Table().row("layer", "expert", "divergence saved", "divergence without");
    for (ExpertShare share : report.experts().subList(0, shown)) {
      experts.row(
          String.valueOf(share.layer()),
          String.valueOf(share.expert()),
          number(OptionalDouble.of(share.saved())),
          number(OptionalDouble.of(share.divergence())));
    }
    out.print(experts);
  }

  private static void printOtherMetrics(PrintWriter out, VerificationReport report) {
    Set<Metric> checked =
        report.checks().stream().map(Check::metric).collect(Collectors.toUnmodifiableSet());
    Table others = new Table();
    for (Map.Entry<Metric, Double> metric : report.metrics().entrySet()) {
      if (!checked.contains(metric.getKey())) {
        others.row(metric.getKey().id(), number(OptionalDouble.of(metric.getValue())));
      }
    }
    if (!others.isEmpty()) {
      out.println("\nWithout a limit:");
      out.print(others);
    }
  }

  private static void printLayers(PrintWriter out, VerificationReport report) {
    if (report.layers().isEmpty()) {
      return;
    }
    Table layers =
        new Table().row("layer", "hidden cosine", "router flips", "beyond margin", "same order");
    for (LayerResult layer : report.layers()) {
      layers.row(
          layer.layer() == LayerResult.EMBEDDING ? "embedding" : String.valueOf(layer.layer()),
          layer.hiddenCosine().isPresent() ? number(layer.hiddenCosine()) : "-",
          layer.routerFlips().isPresent()
              ? layer.routerFlips().getAsLong() + " of " + layer.routerDecisions().orElse(0)
              : "-",
          layer.routerFlipsBeyondMargin().isPresent()
              ? String.valueOf(layer.routerFlipsBeyondMargin().getAsLong())
              : "-",
          layer.routerOrderKept().isPresent()
              ? String.valueOf(layer.routerOrderKept().getAsLong())
              : "-");
    }
    out.println();
    out.print(layers);
  }

  private static String number(OptionalDouble value) {
    if (value.isEmpty()) {
      return "absent";
    }
    double number = value.getAsDouble();
    if (number == Math.rint(number) && Math.abs(number) < 1e9) {
      return String.valueOf((long) number);
    }
    return Math.abs(number) < 1e-3 ? Sizes.format("%.3e", number) : Sizes.format("%.6f", number);
  }
}
