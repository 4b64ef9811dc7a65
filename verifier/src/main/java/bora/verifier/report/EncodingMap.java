package bora.verifier.report;

import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackEntry;
import bora.formats.pack.PackManifest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The heat map of encodings, layers down and tensors across, and the sums of each encoding. */
final class EncodingMap {
  private static final List<TensorRole> ATTENTION =
      List.of(TensorRole.QUERY, TensorRole.KEY, TensorRole.VALUE, TensorRole.ATTENTION_OUTPUT);

  private static final List<TensorRole> EXPERT =
      List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN);

  private final Markup page;
  private final PackManifest manifest;
  private final SequencedMap<TensorKey, PackEntry> entries;

  EncodingMap(Markup page, PackManifest manifest) {
    this.page = page;
    this.manifest = manifest;
    this.entries = manifest.entries();
  }

  void write() {
    page.start("section").element("h2", "Encodings by layer and expert");
    page.element(
        "p",
        "Bits of each weight, scales not counted; an expert whose matrices differ shows gate / up /"
            + " down. The stronger the colour, the finer.",
        "class",
        "note");
    page.start("div", "class", "wide").start("table", "class", "heat");
    writeHeader();
    for (int layer = 0; layer < manifest.config().layerCount(); layer++) {
      writeLayer(layer);
    }
    page.end().end();
    writeSums();
    page.end();
  }

  private void writeHeader() {
    ModelConfig config = manifest.config();
    page.start("tr").element("th", "layer");
    ATTENTION.forEach(role -> page.element("th", role.id()));
    if (config.hasRouter()) {
      page.element("th", "router", "class", "gap");
    }
    for (int expert = 0; expert < config.expertCount(); expert++) {
      String gap = expert == 0 ? "gap" : "";
      page.element("th", config.hasRouter() ? "E" + expert : "feed-forward", "class", gap);
    }
    page.end();
  }

  private void writeLayer(int layer) {
    ModelConfig config = manifest.config();
    page.start("tr").element("th", String.valueOf(layer), "scope", "row");
    ATTENTION.forEach(role -> writeCell(List.of(TensorKey.ofLayer(layer, role)), ""));
    if (config.hasRouter()) {
      writeCell(List.of(TensorKey.ofLayer(layer, TensorRole.ROUTER)), "gap");
    }
    for (int expert = 0; expert < config.expertCount(); expert++) {
      int chosen = expert;
      writeCell(
          EXPERT.stream().map(role -> TensorKey.ofExpert(layer, chosen, role)).toList(),
          expert == 0 ? "gap" : "");
    }
    page.end();
  }

  private void writeCell(List<TensorKey> keys, String cssClass) {
    List<Encoding> encodings = keys.stream().map(key -> entries.get(key).encoding()).toList();
    List<Integer> bits = encodings.stream().map(Encoding::codeBits).toList();
    boolean uniform = bits.stream().distinct().count() == 1;
    String text =
        uniform
            ? String.valueOf(bits.getFirst())
            : bits.stream().map(String::valueOf).collect(Collectors.joining("/"));
    String title =
        keys.stream()
            .map(key -> key + ": " + entries.get(key).encoding().jsonName())
            .collect(Collectors.joining(", "));
    double mean = bits.stream().mapToInt(Integer::intValue).average().orElseThrow();
    page.element("td", text, "class", cssClass, "title", title, "style", shade(mean));
  }

  /** From 2 bits, none of the ink, to 32, all of it: equal factors are equal steps. */
  private static String shade(double bits) {
    double share = (Math.log(bits) / Math.log(2) - 1) / 4;
    return Numbers.format("--ink:%.0f%%", 100 * Math.clamp(share, 0.0, 1.0));
  }

  private void writeSums() {
    Map<Encoding, List<PackEntry>> byEncoding = new TreeMap<>();
    entries
        .values()
        .forEach(
            entry ->
                byEncoding
                    .computeIfAbsent(entry.encoding(), encoding -> new ArrayList<>())
                    .add(entry));
    page.start("div", "class", "wide").start("table", "class", "numbers");
    page.start("tr").element("th", "encoding");
    for (String head : List.of("tensors", "weights", "bytes", "share of the pack")) {
      page.element("th", head, "class", "number");
    }
    page.end();
    byEncoding.forEach(
        (encoding, all) -> {
          long weights = all.stream().mapToLong(entry -> entry.shape().elementCount()).sum();
          long bytes = all.stream().mapToLong(entry -> entry.range().lengthBytes()).sum();
          page.start("tr").element("th", encoding.jsonName(), "scope", "row");
          page.element("td", String.valueOf(all.size()), "class", "number");
          page.element("td", Numbers.count(weights), "class", "number");
          page.element("td", Numbers.bytes(bytes), "class", "number");
          double share = (double) bytes / manifest.weightBytes();
          page.element("td", Numbers.format("%.1f %%", 100 * share), "class", "number");
          page.end();
        });
    page.end().end();
  }
}
