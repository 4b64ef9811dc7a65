package bora.verifier.report;

import bora.formats.json.ModelConfigJson;
import bora.formats.json.StrictJson;
import bora.verifier.Check;
import bora.verifier.ConversionResult;
import bora.verifier.DivergenceProfile;
import bora.verifier.ExpertShare;
import bora.verifier.GreedyDivergence;
import bora.verifier.LayerResult;
import bora.verifier.MarginBin;
import bora.verifier.TensorError;
import bora.verifier.VerificationReport;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * A report as JSON; {@code docs/verification.md} lists the keys. Numbers that are not finite are
 * strings: {@code "NaN"}.
 */
public final class ReportJson {
  private ReportJson() {}

  /** The whole report. */
  public static ObjectNode of(VerificationReport report) {
    ObjectNode root = StrictJson.newObject();
    root.put("verdict", report.verdict().jsonName());
    root.put("gate", report.gate());
    ArrayNode checks = root.putArray("checks");
    report.checks().forEach(check -> putCheck(checks.addObject(), check));
    ObjectNode metrics = root.putObject("metrics");
    report.metrics().forEach((metric, value) -> putNumber(metrics, metric.id(), value));
    report.fault().ifPresent(fault -> root.put("fault", fault.toString()));
    report.greedyDivergence().ifPresent(parted -> putGreedy(root.putObject("greedy"), parted));
    putExperts(root, report.experts());
    ArrayNode layers = root.putArray("layers");
    report.layers().forEach(layer -> putLayer(layers.addObject(), layer));
    putMargins(root, report.routerMargins());
    report.divergence().ifPresent(profile -> putDivergence(root.putObject("divergence"), profile));
    root.put("scoredPositions", report.scoredPositions());
    root.put("decodedPositions", report.decodedPositions());
    putTexts(root.putObject("candidate"), report.candidate());
    putTexts(root.putObject("reference"), report.reference());
    report.kernels().ifPresent(kernels -> putKernels(root.putObject("kernels"), kernels));
    report.conversion().ifPresent(found -> putConversion(root.putObject("conversion"), found));
    return root;
  }

  private static void putCheck(ObjectNode node, Check check) {
    node.put("name", check.name());
    putNumberOrNull(node, "measured", check.measured());
    putNumberOrNull(node, "limit", check.limit());
    node.put("direction", check.metric().direction().jsonName());
    node.put("verdict", check.verdict().jsonName());
    if (!check.where().isEmpty()) {
      node.put("where", check.where());
    }
  }

  private static void putGreedy(ObjectNode node, GreedyDivergence parted) {
    node.put("step", parted.step());
    node.put("expected", parted.expected()).put("found", parted.found());
    putNumber(node, "margin", parted.margin());
    putNumber(node, "tolerance", parted.tolerance());
    node.put("nearTie", parted.isNearTie());
  }

  private static void putExperts(ObjectNode root, List<ExpertShare> shares) {
    if (!shares.isEmpty()) {
      ArrayNode experts = root.putArray("experts");
      for (ExpertShare share : shares) {
        ObjectNode node = experts.addObject();
        node.put("layer", share.layer()).put("expert", share.expert());
        putNumber(node, "kld.mean", share.divergence());
        putNumber(node, "saved", share.saved());
      }
    }
  }

  private static void putLayer(ObjectNode node, LayerResult layer) {
    if (layer.layer() == LayerResult.EMBEDDING) {
      node.putNull("layer");
    } else {
      node.put("layer", layer.layer());
    }
    layer.hiddenCosine().ifPresent(value -> putNumber(node, "hidden.cosine", value));
    layer.hiddenNmse().ifPresent(value -> putNumber(node, "hidden.nmse", value));
    putCount(node, "router.decisions", layer.routerDecisions());
    putCount(node, "router.flips", layer.routerFlips());
    putCount(node, "router.flips.beyondMargin", layer.routerFlipsBeyondMargin());
    putCount(node, "router.orderKept", layer.routerOrderKept());
    layer
        .hiddenNmseImposedRouting()
        .ifPresent(value -> putNumber(node, "hidden.nmse.imposedRouting", value));
  }

  private static void putMargins(ObjectNode root, List<MarginBin> bins) {
    if (!bins.isEmpty()) {
      ArrayNode margins = root.putArray("routerMargins");
      for (MarginBin bin : bins) {
        ObjectNode node = margins.addObject();
        putFinite(node, "above", bin.above());
        putFinite(node, "upTo", bin.upTo());
        node.put("decisions", bin.decisions()).put("flips", bin.flips());
      }
    }
  }

  private static void putDivergence(ObjectNode node, DivergenceProfile profile) {
    ArrayNode histogram = node.putArray("histogram");
    for (DivergenceProfile.Bin bin : profile.histogram()) {
      ObjectNode entry = histogram.addObject();
      putFinite(entry, "above", bin.above());
      putFinite(entry, "upTo", bin.upTo());
      entry.put("positions", bin.positions());
    }
    ArrayNode groups = node.putArray("byPosition");
    for (DivergenceProfile.Group group : profile.groups()) {
      ObjectNode entry = groups.addObject();
      entry.put("first", group.first()).put("end", group.end());
      entry.put("positions", group.positions());
      putNumber(entry, "mean", group.mean());
    }
  }

  private static void putKernels(ObjectNode node, VerificationReport kernels) {
    node.put("verdict", kernels.verdict().jsonName());
    node.put("gate", kernels.gate());
    ObjectNode metrics = node.putObject("metrics");
    kernels.metrics().forEach((metric, value) -> putNumber(metrics, metric.id(), value));
    kernels.fault().ifPresent(fault -> node.put("fault", fault.toString()));
    node.put("decodedPositions", kernels.decodedPositions());
    putTexts(node.putObject("reference"), kernels.reference());
  }

  private static void putConversion(ObjectNode node, ConversionResult conversion) {
    node.put("checkpoint", conversion.checkpoint());
    ArrayNode tensors = node.putArray("tensors");
    for (TensorError error : conversion.tensors()) {
      ObjectNode entry = tensors.addObject().put("key", error.key().id());
      ModelConfigJson.putKey(entry, error.key());
      entry.put("encoding", error.encoding().jsonName());
      entry.put("rows", error.rows());
      putNumber(entry, "relativeError", error.relativeError());
      putNumber(entry, "promised", error.promised());
      entry.put("misrounded", error.misrounded());
    }
  }

  /** Ends of open bins are null. */
  private static void putFinite(ObjectNode node, String key, double value) {
    if (Double.isFinite(value)) {
      node.put(key, value);
    } else {
      node.putNull(key);
    }
  }

  private static void putCount(ObjectNode node, String key, OptionalLong count) {
    count.ifPresent(value -> node.put(key, value));
  }

  private static void putNumberOrNull(ObjectNode node, String key, OptionalDouble value) {
    if (value.isPresent()) {
      putNumber(node, key, value.getAsDouble());
    } else {
      node.putNull(key);
    }
  }

  /** Whole numbers are written as such: counts are metrics too. */
  private static void putNumber(ObjectNode node, String key, double value) {
    if (!Double.isFinite(value)) {
      node.put(key, String.valueOf(value));
    } else if (value == Math.rint(value) && Math.abs(value) < 1e15) {
      node.put(key, (long) value);
    } else {
      node.put(key, value);
    }
  }

  private static void putTexts(ObjectNode node, Map<String, String> texts) {
    texts.forEach(node::put);
  }
}
