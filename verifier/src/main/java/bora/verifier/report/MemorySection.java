package bora.verifier.report;

import bora.formats.model.ModelConfig;
import bora.formats.pack.PackManifest;
import bora.runtime.memory.ActivationType;
import bora.runtime.memory.GpuSize;
import bora.runtime.memory.MemoryComponent;
import bora.runtime.memory.MemoryEstimate;
import bora.runtime.memory.MemoryEstimator;
import bora.runtime.memory.MemoryRequest;
import bora.verifier.report.ChartFigure.Mark;
import bora.verifier.report.ChartFigure.Scale;
import bora.verifier.report.ChartFigure.Series;
import bora.verifier.report.ChartFigure.Shape;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.LongStream;

/** What GPU memory the pack would take, and which sizes that fits. */
final class MemorySection {
  private static final long[] CONTEXTS = {1, 4096, 16384, 32768};

  private final MemoryRequest request;
  private final List<MemoryEstimate> estimates;

  MemorySection(PackManifest manifest) {
    ModelConfig config = manifest.config();
    request = new MemoryRequest(config, manifest.weightBytes(), ActivationType.BF16, 1, 1);
    long most = config.maxPositionEmbeddings();
    estimates =
        LongStream.concat(
                LongStream.of(CONTEXTS).filter(tokens -> tokens < most),
                LongStream.of(Math.min(most, CONTEXTS[CONTEXTS.length - 1])))
            .mapToObj(tokens -> MemoryEstimator.estimate(request.withContext(tokens)))
            .toList();
  }

  ChartFigure chart() {
    return new ChartFigure(
        "memory",
        "Estimated GPU memory by context",
        "What the weights as encoded, bf16 activations and one sequence take; docs/memory.md has"
            + " the method.",
        Shape.STACK,
        Scale.LINEAR,
        "tokens",
        "GB (10^9 bytes)",
        estimates.stream().map(one -> String.valueOf(one.contextTokens())).toList(),
        List.of(MemoryComponent.values()).stream().map(this::series).toList(),
        GpuSize.DEFAULTS.stream().map(gpu -> new Mark(gpu.label(), gpu.bytes() / 1e9)).toList(),
        value -> Numbers.format("%.3f", value));
  }

  private Series series(MemoryComponent component) {
    String name =
        switch (component) {
          case WEIGHTS -> "weights";
          case KV_CACHE -> "KV cache";
          case ACTIVATIONS -> "activations";
          case RUNTIME -> "runtime";
          case ALLOCATOR_SLACK -> "allocator slack";
        };
    return new Series(
        name, estimates.stream().mapToDouble(one -> one.bytes(component) / 1e9).toArray());
  }

  /** Both meanings of the number on the box: some answers depend on it. */
  void writeFit(Markup page) {
    page.start("div", "class", "wide").start("table", "class", "numbers");
    page.start("tr").element("th", "GPU").element("th", "most context in GB (10^9)");
    page.element("th", "in GiB (2^30)").end();
    for (GpuSize gpu : GpuSize.DEFAULTS) {
      GpuSize binary = GpuSize.parse(gpu.label().replace("GB", "GiB"));
      page.start("tr").element("th", gpu.label(), "scope", "row");
      writeMost(page, gpu);
      writeMost(page, binary);
      page.end();
    }
    page.end().end();
  }

  private void writeMost(Markup page, GpuSize gpu) {
    OptionalLong most = MemoryEstimator.maxContext(request, gpu.bytes());
    boolean fits = most.isPresent();
    page.start("td", "class", fits ? "fits" : "fails");
    if (fits && most.getAsLong() == request.config().maxPositionEmbeddings()) {
      page.text("all " + most.getAsLong() + " tokens");
    } else {
      page.text(fits ? most.getAsLong() + " tokens" : "does not fit");
    }
    page.end();
  }
}
