package bora.converter.cli;

import bora.converter.ModelDescription;
import bora.runtime.memory.GpuSize;
import bora.runtime.memory.MemoryComponent;
import bora.runtime.memory.MemoryEstimate;
import bora.runtime.memory.MemoryEstimator;
import bora.runtime.memory.MemoryPart;
import bora.runtime.memory.MemoryRequest;
import java.io.PrintWriter;
import java.util.List;
import java.util.OptionalLong;

/** The memory estimate as a table: every part, the total, and what fits which GPU. */
final class MemoryTable {
  private MemoryTable() {}

  static void print(
      PrintWriter out, ModelDescription model, MemoryRequest request, List<GpuSize> gpus) {
    MemoryEstimate estimate = MemoryEstimator.estimate(request);
    out.println(
        Sizes.format(
            "GPU memory of %s with %d tokens, batch %d, %s (estimated, docs/memory.md):",
            model.title(), estimate.contextTokens(), estimate.batch(), estimate.dtype().label()));
    Table parts = new Table();
    for (MemoryComponent component : MemoryComponent.values()) {
      row(parts, component.jsonName(), estimate.bytes(component));
      for (MemoryPart part : estimate.parts()) {
        if (part.component() == component) {
          row(parts, "  " + part.name(), part.bytes());
        }
      }
    }
    row(parts, "total", estimate.total());
    out.print(parts);
    out.println();
    Table sizes = new Table().row("GPU", "fits", "most context");
    for (GpuSize gpu : gpus) {
      OptionalLong most = MemoryEstimator.maxContext(request, gpu.bytes());
      sizes.row(
          gpu.label(),
          estimate.total() <= gpu.bytes() ? "yes" : "no",
          most.isPresent() ? most.getAsLong() + " tokens" : "none");
    }
    out.print(sizes);
    out.println("  GB is 10^9 bytes, GiB 2^30.");
  }

  private static void row(Table table, String name, long bytes) {
    table.row(name, Sizes.of(bytes), Sizes.gibibytes(bytes));
  }
}
