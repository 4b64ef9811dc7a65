package bora.converter.cli;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.checkpoint.SourceTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackEntry;
import bora.formats.pack.PackManifest;
import bora.formats.pack.PackReader;
import bora.formats.pack.Provenance;
import java.io.PrintWriter;
import java.util.Map;
import java.util.TreeMap;

/** What {@code bora inspect} shows a person. */
final class InspectionText {
  private InspectionText() {}

  static void printConfig(PrintWriter out, String title, ModelConfig config) {
    out.println(title + ": " + config.architecture().id());
    Table table = new Table();
    table.row("parameters", Sizes.count(config.parameterCount()));
    table.row("active a token", Sizes.count(config.activeParameterCount()));
    table.row("layers", String.valueOf(config.layerCount()));
    table.row("hidden, feed-forward", config.hiddenSize() + ", " + config.intermediateSize());
    table.row(
        "heads, key-value heads, width",
        config.headCount() + ", " + config.kvHeadCount() + ", " + config.headDim());
    if (config.hasRouter()) {
      table.row("experts a token", config.expertsPerToken() + " of " + config.expertCount());
    }
    table.row("vocabulary", String.valueOf(config.vocabSize()));
    table.row(
        "sliding window",
        config.slidingWindow().isPresent()
            ? config.slidingWindow().getAsInt() + " tokens"
            : "none");
    table.row("context", config.maxPositionEmbeddings() + " tokens");
    out.print(table);
  }

  static void printPack(PrintWriter screen, PackReader pack, boolean tensors) {
    PrintWriter out = PlainWriter.over(screen);
    PackManifest manifest = pack.manifest();
    printConfig(out, pack.path().toString(), pack.config());
    out.println();
    Table table = new Table();
    table.row("file", Sizes.of(pack.byteSize()));
    table.row("weights", Sizes.of(manifest.weightBytes()));
    table.row("bits a weight", Sizes.format("%.3f", manifest.bitsPerWeight()));
    table.row("format", manifest.major() + "." + manifest.minor());
    Provenance provenance = manifest.provenance();
    table.row("made by", "bora " + provenance.toolVersion());
    table.row("plan", provenance.planName());
    table.row("source files", String.valueOf(provenance.sources().size()));
    table.row("attachments", String.join(", ", manifest.attachments().keySet()));
    out.print(table);
    out.println();
    printEncodings(out, manifest);
    if (tensors) {
      out.println();
      printTensors(out, manifest);
    }
  }

  private static void printEncodings(PrintWriter out, PackManifest manifest) {
    Map<Encoding, long[]> sums = new TreeMap<>();
    for (PackEntry entry : manifest.entries().values()) {
      long[] sum = sums.computeIfAbsent(entry.encoding(), encoding -> new long[3]);
      sum[0]++;
      sum[1] += entry.shape().elementCount();
      sum[2] += entry.range().lengthBytes();
    }
    Table table = new Table().row("encoding", "tensors", "weights", "bytes");
    sums.forEach(
        (encoding, sum) ->
            table.row(
                encoding.jsonName(),
                String.valueOf(sum[0]),
                Sizes.count(sum[1]),
                Sizes.of(sum[2])));
    out.print(table);
  }

  private static void printTensors(PrintWriter out, PackManifest manifest) {
    Table table = new Table().row("tensor", "encoding", "shape", "offset", "bytes", "crc32c");
    for (PackEntry entry : manifest.entries().values()) {
      table.row(
          entry.key().id(),
          entry.encoding().jsonName(),
          entry.shape().toString(),
          String.valueOf(entry.range().offsetBytes()),
          String.valueOf(entry.range().lengthBytes()),
          entry.checksum().crc32c());
    }
    out.print(table);
  }

  static void printCheckpoint(PrintWriter screen, Checkpoint checkpoint, boolean tensors) {
    PrintWriter out = PlainWriter.over(screen);
    printConfig(out, checkpoint.path().toString(), checkpoint.config());
    long bytes = 0;
    Table table = new Table().row("tensor", "dtype", "shape", "file");
    for (TensorKey key : checkpoint.config().tensors().keySet()) {
      SourceTensor tensor = checkpoint.tensor(key);
      bytes += tensor.byteSize();
      table.row(
          key.id(),
          tensor.type().name(),
          tensor.shape().toString(),
          String.valueOf(tensor.file().getFileName()));
    }
    Table summary = new Table().row("layout", checkpoint.layout().label());
    checkpoint.otherLayouts().forEach(other -> summary.row("not read", other.label()));
    out.print(summary.row("weights", Sizes.of(bytes)));
    if (tensors) {
      out.println();
      out.print(table);
    }
  }
}
