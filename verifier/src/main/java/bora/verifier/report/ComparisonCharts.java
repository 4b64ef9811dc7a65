package bora.verifier.report;

import bora.verifier.DivergenceProfile;
import bora.verifier.LayerResult;
import bora.verifier.MarginBin;
import bora.verifier.Metric;
import bora.verifier.VerificationReport;
import bora.verifier.report.ChartFigure.Scale;
import bora.verifier.report.ChartFigure.Series;
import bora.verifier.report.ChartFigure.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;

/** The charts of what was measured. What the reference could not give has none. */
final class ComparisonCharts {
  private ComparisonCharts() {}

  static List<ChartFigure> of(VerificationReport report) {
    List<ChartFigure> charts = new ArrayList<>();
    report.divergence().ifPresent(profile -> addDivergence(charts, profile));
    List<LayerResult> layers = report.layers();
    if (layers.stream().anyMatch(layer -> layer.hiddenNmse().isPresent())) {
      charts.add(hiddenStates(layers));
    }
    if (layers.stream().anyMatch(layer -> layer.routerDecisions().isPresent())) {
      charts.add(routerAgreement(layers));
    }
    if (!report.routerMargins().isEmpty()) {
      charts.add(margins(report));
    }
    return charts;
  }

  private static void addDivergence(List<ChartFigure> charts, DivergenceProfile profile) {
    charts.add(
        new ChartFigure(
            "kld-histogram",
            "KL divergence, position by position",
            "How many scored positions diverge by how much. A second hump on the right is a fault;"
                + " quantization moves the whole hill.",
            Shape.BARS,
            Scale.LINEAR,
            "nats, up to",
            "positions",
            profile.histogram().stream().map(bin -> edge(bin.upTo(), bin.above())).toList(),
            List.of(
                new Series(
                    "positions", values(profile.histogram(), bin -> (double) bin.positions()))),
            List.of(),
            Numbers::of));
    charts.add(
        new ChartFigure(
            "kld-positions",
            "KL divergence along the sequence",
            "Mean over the sequences. It should not grow: errors of a cache or of positions do.",
            Shape.LINES,
            Scale.LINEAR,
            "position",
            "nats",
            profile.groups().stream().map(ComparisonCharts::positions).toList(),
            List.of(
                new Series(
                    Metric.KLD_MEAN.id(), values(profile.groups(), DivergenceProfile.Group::mean))),
            List.of(),
            Numbers::of));
  }

  private static String positions(DivergenceProfile.Group group) {
    return group.end() - group.first() == 1
        ? String.valueOf(group.first())
        : group.first() + "–" + (group.end() - 1);
  }

  private static ChartFigure hiddenStates(List<LayerResult> layers) {
    List<Series> series = new ArrayList<>();
    series.add(new Series("as run", values(layers, layer -> orNaN(layer.hiddenNmse()))));
    if (layers.stream().anyMatch(layer -> layer.hiddenNmseImposedRouting().isPresent())) {
      series.add(
          new Series(
              "reference's experts imposed",
              values(layers, layer -> orNaN(layer.hiddenNmseImposedRouting()))));
    }
    return new ChartFigure(
        "hidden-layers",
        "Error of the hidden states, layer by layer",
        "Squared error divided by the reference's squares. It grows slowly with depth; a jump is"
            + " where the pack starts to differ.",
        Shape.LINES,
        Scale.LOGARITHMIC,
        "layer",
        "relative squared error",
        layers.stream().map(ComparisonCharts::layer).toList(),
        series,
        List.of(),
        Numbers::of);
  }

  private static ChartFigure routerAgreement(List<LayerResult> layers) {
    List<LayerResult> routed =
        layers.stream().filter(layer -> layer.routerDecisions().isPresent()).toList();
    return new ChartFigure(
        "router-layers",
        "Router agreement, layer by layer",
        "Share of decisions that take the same experts, and that also rank them alike.",
        Shape.LINES,
        Scale.LINEAR,
        "layer",
        "%",
        routed.stream().map(ComparisonCharts::layer).toList(),
        List.of(
            new Series(
                "same experts",
                values(
                    routed,
                    layer ->
                        100
                            - 100.0
                                * layer.routerFlips().getAsLong()
                                / layer.routerDecisions().getAsLong())),
            new Series(
                "same order",
                values(
                    routed,
                    layer ->
                        100.0
                            * layer.routerOrderKept().getAsLong()
                            / layer.routerDecisions().getAsLong()))),
        List.of(),
        value -> Numbers.percent(value / 100));
  }

  private static ChartFigure margins(VerificationReport report) {
    List<MarginBin> bins = report.routerMargins();
    return new ChartFigure(
        "router-margins",
        "Flipped router decisions by the reference's margin",
        "Share of the decisions of each margin that took other experts. Torn routers flip first;"
            + " flips at large margins are errors."
            + flipCost(report),
        Shape.BARS,
        Scale.LINEAR,
        "margin, up to",
        "% flipped",
        bins.stream().map(bin -> edge(bin.upTo(), bin.above())).toList(),
        List.of(
            new Series(
                "flipped",
                values(
                    bins,
                    bin ->
                        bin.decisions() == 0
                            ? Double.NaN
                            : 100.0 * bin.flips() / bin.decisions()))),
        List.of(),
        value -> Numbers.percent(value / 100));
  }

  private static String flipCost(VerificationReport report) {
    Double flips = report.metrics().get(Metric.KLD_MEAN_FLIPS);
    Double imposed = report.metrics().get(Metric.KLD_MEAN_IMPOSED_ROUTING);
    return flips == null || imposed == null
        ? ""
        : " Of the divergence, "
            + Numbers.of(flips)
            + " nats come from flips and "
            + Numbers.of(imposed)
            + " from the weights.";
  }

  private static String layer(LayerResult layer) {
    return layer.layer() == LayerResult.EMBEDDING ? "emb" : String.valueOf(layer.layer());
  }

  private static String edge(double upTo, double above) {
    return Double.isInfinite(upTo) ? "> " + shortest(above) : shortest(upTo);
  }

  private static String shortest(double value) {
    return value >= 0.01 ? Numbers.format("%.2g", value) : Numbers.format("%.0e", value);
  }

  private static double orNaN(OptionalDouble value) {
    return value.orElse(Double.NaN);
  }

  private static <T> double[] values(List<T> of, ToDoubleFunction<T> value) {
    return of.stream().mapToDouble(value).toArray();
  }
}
