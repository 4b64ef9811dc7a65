package bora.converter.cli;

import bora.runtime.memory.MemoryComponent;
import bora.runtime.memory.MemoryEstimate;
import bora.runtime.memory.MemoryPart;
import java.io.PrintWriter;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/** The memory estimate as a table: every part, the total, and what fits which GPU. */
final class MemoryTable {
  private static final int BAR_WIDTH = 32;

  private MemoryTable() {}

  static void print(PrintWriter out, ModelMemory model) {
    MemoryEstimate estimate = model.estimate();
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
    Table sizes = new Table().row("GPU", "fits", "most context", "of the model's");
    for (ModelMemory.Fit fit : model.fits()) {
      sizes.row(
          fit.gpu().label(), fit.fits() ? "yes" : "no", tokens(fit), bar(fit, model.mostTokens()));
    }
    out.print(sizes);
    out.println("  GB is 10^9 bytes, GiB 2^30.");
    model.fits().forEach(fit -> fit.unitWarning().ifPresent(text -> out.println("  It " + text)));
  }

  /** A column for every model. */
  static void printSideBySide(PrintWriter out, List<ModelMemory> models) {
    MemoryEstimate first = models.getFirst().estimate();
    out.println(
        Sizes.format(
            "GPU memory, batch %d, %s (estimated, docs/memory.md):",
            first.batch(), first.dtype().label()));
    Table table = new Table();
    row(table, "", models, ModelMemory::title);
    row(table, "context", models, model -> model.estimate().contextTokens() + " tokens");
    for (MemoryComponent component : MemoryComponent.values()) {
      row(
          table,
          component.jsonName(),
          models,
          model -> Sizes.of(model.estimate().bytes(component)));
    }
    row(table, "total", models, model -> Sizes.of(model.estimate().total()));
    for (int i = 0; i < models.getFirst().fits().size(); i++) {
      int index = i;
      row(
          table,
          "most context in " + models.getFirst().fits().get(i).gpu().label(),
          models,
          model -> tokens(model.fits().get(index)));
    }
    out.print(table);
    for (ModelMemory model : models) {
      for (ModelMemory.Fit fit : model.fits()) {
        fit.unitWarning().ifPresent(text -> out.println("  " + model.title() + " " + text));
      }
    }
  }

  private static void row(
      Table table, String name, List<ModelMemory> models, Function<ModelMemory, String> cell) {
    table.row(Stream.concat(Stream.of(name), models.stream().map(cell)).toArray(String[]::new));
  }

  private static String tokens(ModelMemory.Fit fit) {
    return fit.maxContext() > 0 ? fit.maxContext() + " tokens" : "none";
  }

  /** The share of the model's longest context that fits; one mark where any does. */
  private static String bar(ModelMemory.Fit fit, long mostTokens) {
    int marks = (int) Math.min(BAR_WIDTH, Math.ceilDiv(fit.maxContext() * BAR_WIDTH, mostTokens));
    return "[" + "#".repeat(marks) + ".".repeat(BAR_WIDTH - marks) + "]";
  }

  private static void row(Table table, String name, long bytes) {
    table.row(name, Sizes.of(bytes), Sizes.gibibytes(bytes));
  }
}
