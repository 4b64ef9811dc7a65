package bora.verifier.report;

import bora.formats.json.StrictJson;
import bora.formats.pack.PackManifest;
import bora.formats.pack.PackReader;
import bora.formats.pack.Provenance;
import bora.verifier.Check;
import bora.verifier.ConversionResult;
import bora.verifier.ExpertShare;
import bora.verifier.Metric;
import bora.verifier.TensorError;
import bora.verifier.Verdict;
import bora.verifier.VerificationReport;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A report as one page: verdict first, then why. Style, script and the chart library are inside,
 * and its policy allows nothing from outside. Without a script everything but the charts' pictures
 * is still there.
 */
final class HtmlReport {
  /** Unpacked from its published package by the build, unchanged. */
  private static final String CHART_LIBRARY = "chart.umd.min.js";

  private static final String POLICY =
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

  private static final int WORST_EXPERTS = 10;
  private static final int WORST_TENSORS = 10;

  private final VerificationReport report;
  private final PackReader pack;
  private final PackManifest manifest;
  private final Markup page = new Markup();
  private final List<ChartFigure> charts = new ArrayList<>();

  HtmlReport(VerificationReport report, PackReader pack) {
    this.report = report;
    this.pack = pack;
    this.manifest = pack.manifest();
  }

  byte[] write() {
    String title = report.candidate().getOrDefault("file", "pack") + ": " + verdictText();
    page.raw("<!doctype html>\n").start("html", "lang", "en").start("head");
    page.raw("<meta charset=\"utf-8\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"" + POLICY + "\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.element("title", title);
    page.start("style").raw(resource("report.css")).end().end();
    page.start("body").start("main");
    writeVerdict();
    writeChecks();
    writeCharts();
    writeExperts();
    writeConversion();
    new EncodingMap(page, manifest).write();
    writeMemory();
    writeProvenance();
    page.end();
    writeScripts();
    page.end().end();
    return page.toString().getBytes(StandardCharsets.UTF_8);
  }

  private String verdictText() {
    return report.verdict() == Verdict.PASS ? "PASS" : "FAIL";
  }

  private void writeVerdict() {
    List<Check> failed =
        report.checks().stream().filter(check -> check.verdict() == Verdict.FAIL).toList();
    page.start("header", "class", report.verdict().jsonName());
    page.element("p", verdictText(), "class", "verdict");
    page.element("h1", report.candidate().getOrDefault("file", "pack"));
    String count = failed.isEmpty() ? "all " : failed.size() + " of ";
    page.start("p");
    page.text(
        count + report.checks().size() + (failed.isEmpty() ? " checks pass" : " checks fail"));
    page.text(" · gate: " + report.gate());
    report.fault().ifPresent(fault -> page.text(" · first fault: " + fault));
    page.end().end();
    page.start("dl", "class", "tiles");
    writeTile("KL divergence", Metric.KLD_MEAN, false);
    writeTile("Same top token", Metric.TOP1_AGREEMENT, true);
    writeTile("Same experts", Metric.ROUTER_AGREEMENT, true);
    writeTile("Perplexity", Metric.PERPLEXITY, false);
    tile("Bits a weight", Numbers.format("%.2f", manifest.bitsPerWeight()));
    tile("Pack", Numbers.bytes(pack.byteSize()));
    page.end();
  }

  private void writeTile(String name, Metric metric, boolean share) {
    Double value = report.metrics().get(metric);
    if (value != null) {
      tile(name, share ? Numbers.percent(value) : Numbers.of(value));
    }
  }

  private void tile(String name, String value) {
    page.start("div").element("dt", name).element("dd", value).end();
  }

  private void writeChecks() {
    page.start("section").element("h2", "Checks");
    page.element(
        "p",
        report.scoredPositions()
            + " positions scored, "
            + report.decodedPositions()
            + " decoded one by one. Checks named kernels.… hold the runtime against the pack's own"
            + " decoded weights, with the exact limits.",
        "class",
        "note");
    page.start("table", "class", "checks").start("tr");
    page.element("th", "check").element("th", "measured", "class", "number");
    page.element("th", "limit", "class", "number").element("th", "verdict").end();
    report.checks().stream().filter(check -> check.verdict() == Verdict.FAIL).forEach(this::row);
    report.checks().stream().filter(check -> check.verdict() == Verdict.PASS).forEach(this::row);
    page.end();
    report
        .greedyDivergence()
        .ifPresent(parted -> page.element("p", "Greedy continuation: " + parted, "class", "note"));
    writeOtherMetrics();
    page.end();
  }

  private void row(Check check) {
    page.start("tr", "class", check.verdict().jsonName());
    page.start("th", "scope", "row").element("code", check.name());
    page.element("span", check.metric().meaning(), "class", "meaning").end();
    page.element("td", Numbers.measured(check.measured()), "class", "number");
    page.element("td", Numbers.limit(check), "class", "number");
    page.start("td")
        .element("span", check.verdict() == Verdict.PASS ? "pass" : "FAIL", "class", "badge");
    if (!check.where().isEmpty()) {
      page.element("span", check.where(), "class", "where");
    }
    page.end().end();
  }

  private void writeOtherMetrics() {
    List<Metric> checked = report.checks().stream().map(Check::metric).toList();
    page.start("details").element("summary", "Measured without a limit");
    page.start("div", "class", "wide").start("table", "class", "numbers");
    for (Map.Entry<Metric, Double> metric : report.metrics().entrySet()) {
      if (!checked.contains(metric.getKey())) {
        page.start("tr").start("th", "scope", "row").element("code", metric.getKey().id());
        page.element("span", metric.getKey().meaning(), "class", "meaning").end();
        page.element("td", Numbers.of(metric.getValue()), "class", "number").end();
      }
    }
    page.end().end().end();
  }

  private void writeCharts() {
    List<ChartFigure> figures = ComparisonCharts.of(report);
    if (figures.isEmpty()) {
      return;
    }
    page.start("section").element("h2", "Where it differs").start("div", "class", "grid");
    figures.forEach(this::writeChart);
    page.end().end();
  }

  private void writeChart(ChartFigure chart) {
    charts.add(chart);
    chart.write(page);
  }

  private void writeExperts() {
    if (report.experts().isEmpty()) {
      return;
    }
    page.start("section").element("h2", "What experts cost");
    page.element(
        "p",
        "The "
            + Math.min(WORST_EXPERTS, report.experts().size())
            + " costliest of "
            + report.experts().size()
            + " experts: the divergence that goes when one alone has the checkpoint's weights.",
        "class",
        "note");
    page.start("div", "class", "wide").start("table", "class", "numbers").start("tr");
    page.element("th", "expert").element("th", "divergence saved", "class", "number");
    page.element("th", "divergence without", "class", "number").end();
    for (ExpertShare share :
        report.experts().subList(0, Math.min(WORST_EXPERTS, report.experts().size()))) {
      page.start("tr");
      page.element("th", "layer " + share.layer() + " expert " + share.expert(), "scope", "row");
      page.element("td", Numbers.of(share.saved()), "class", "number");
      page.element("td", Numbers.of(share.divergence()), "class", "number").end();
    }
    page.end().end().end();
  }

  private void writeConversion() {
    if (report.conversion().isEmpty()) {
      return;
    }
    ConversionResult conversion = report.conversion().get();
    page.start("section").element("h2", "Weights against the checkpoint");
    page.element(
        "p",
        "The "
            + Math.min(WORST_TENSORS, conversion.tensors().size())
            + " worst of "
            + conversion.tensors().size()
            + " tensors, against "
            + conversion.checkpoint()
            + ". The promise is the squared error that the encoding keeps on any weights.",
        "class",
        "note");
    page.start("div", "class", "wide").start("table", "class", "numbers").start("tr");
    for (String head :
        List.of("tensor", "encoding", "relative error", "of the promise", "misrounded")) {
      page.element("th", head, "class", head.equals("tensor") ? "" : "number");
    }
    page.end();
    for (TensorError error : conversion.worst(WORST_TENSORS)) {
      page.start("tr").element("th", error.describe(), "scope", "row");
      page.element("td", error.encoding().jsonName(), "class", "number");
      page.element("td", Numbers.of(error.relativeError()), "class", "number");
      page.element(
          "td", Numbers.format("%.1f %%", 100 * error.shareOfPromise()), "class", "number");
      page.element("td", String.valueOf(error.misrounded()), "class", "number").end();
    }
    page.end().end().end();
  }

  private void writeMemory() {
    MemorySection memory = new MemorySection(manifest);
    page.start("section").element("h2", "Size and GPU memory").start("div", "class", "grid");
    writeChart(memory.chart());
    page.start("div", "class", "card");
    page.element("h3", "What context fits");
    memory.writeFit(page);
    page.end().end().end();
  }

  private void writeProvenance() {
    Provenance provenance = manifest.provenance();
    page.start("section").element("h2", "Provenance").start("dl", "class", "provenance");
    report.candidate().forEach((name, value) -> term("pack " + name, value));
    report.reference().forEach((name, value) -> term("reference " + name, value));
    term("made by", "bora " + provenance.toolVersion());
    term("plan", provenance.planName() + " " + provenance.planSha256());
    provenance.calibrationSha256().ifPresent(hash -> term("calibration", hash));
    for (Provenance.Source source : provenance.sources()) {
      term("source " + source.name(), Numbers.bytes(source.bytes()) + " " + source.sha256());
    }
    page.end().end();
  }

  private void term(String name, String value) {
    page.element("dt", name).element("dd", value);
  }

  private void writeScripts() {
    ObjectNode data = StrictJson.newObject();
    ArrayNode all = data.putArray("charts");
    charts.forEach(chart -> all.add(chart.data()));
    String json = new String(StrictJson.toBytes(data), StandardCharsets.UTF_8);
    page.start("script", "type", "application/json", "id", "data");
    page.raw(json.replace("<", "\\u003c")).end();
    page.start("script").raw(resource(CHART_LIBRARY)).end();
    page.start("script").raw(resource("report.js")).end();
  }

  private static String resource(String name) {
    try (InputStream in = HtmlReport.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException("not in the module: " + name);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
