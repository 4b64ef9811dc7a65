package bora.verifier;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
    ArrayNode layers = root.putArray("layers");
    report.layers().forEach(layer -> putLayer(layers.addObject(), layer));
    root.put("scoredPositions", report.scoredPositions());
    root.put("decodedPositions", report.decodedPositions());
    putTexts(root.putObject("candidate"), report.candidate());
    putTexts(root.putObject("reference"), report.reference());
    return root;
  }

  private static void putCheck(ObjectNode node, Check check) {
    node.put("name", check.metric().id());
    putNumberOrNull(node, "measured", check.measured());
    putNumberOrNull(node, "limit", check.limit());
    node.put("direction", check.metric().direction().jsonName());
    node.put("verdict", check.verdict().jsonName());
    if (!check.where().isEmpty()) {
      node.put("where", check.where());
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
