package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.ModelDescription;
import bora.converter.ModelDifference;
import bora.converter.ModelDifference.FieldChange;
import bora.converter.ModelDifference.TensorChange;
import bora.formats.json.ModelConfigJson;
import bora.formats.json.StrictJson;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora diff}: what changed from one model to another. */
@Command(
    name = "diff",
    header = "Says what differs between two packs, or a pack and a checkpoint.",
    description = {
      "",
      "Config, tensors, encodings and bytes, and for every expert the squared error of B's weights",
      "divided by the squares of A's. Exit code 0 whether or not anything differs.",
      ""
    },
    mixinStandardHelpOptions = true)
final class DiffCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(index = "0", paramLabel = "A", description = "a pack or a checkpoint's directory")
  private Path first;

  @Parameters(index = "1", paramLabel = "B", description = "another")
  private Path second;

  @Option(names = "--json", description = "one JSON document on standard output")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    long weights = ModelDescription.of(first.toString()).config().parameterCount();
    ModelDifference difference;
    try (Progress progress = Progress.ofMillions(err, "comparing", weights, " M weights")) {
      difference = ModelDifference.of(first, second, progress);
    }
    if (json) {
      out.print(new String(StrictJson.toIndentedBytes(toJson(difference)), UTF_8));
    } else {
      print(out, difference);
    }
    out.flush();
    return ExitCode.DONE;
  }

  private void print(PrintWriter out, ModelDifference difference) {
    out.println("A " + first);
    out.println("B " + second);
    if (difference.isEmpty()) {
      out.println("\nNothing differs.");
      return;
    }
    if (!difference.config().isEmpty()) {
      Table config = new Table().row("config", "A", "B");
      for (FieldChange field : difference.config()) {
        config.row(field.name(), field.first(), field.second());
      }
      out.println();
      out.print(config);
    }
    printKeys(out, "\nOnly in A: ", difference.onlyInFirst());
    printKeys(out, "\nOnly in B: ", difference.onlyInSecond());
    printTensors(out, difference);
  }

  private static void printKeys(PrintWriter out, String title, List<TensorKey> keys) {
    if (!keys.isEmpty()) {
      out.println(title + keys.stream().map(TensorKey::toString).collect(Collectors.joining(", ")));
    }
  }

  /** A line for every expert and for every other tensor that changed. */
  private static void printTensors(PrintWriter out, ModelDifference difference) {
    Table table = new Table().row("changed", "encoding", "bytes A", "bytes B", "relative error");
    for (TensorChange change : difference.tensors()) {
      boolean expert = change.key().role().scope() == TensorRole.Scope.EXPERT;
      if (!expert) {
        row(table, change.key().toString(), List.of(change));
      } else if (change.key().role() == TensorRole.EXPERT_GATE) {
        TensorKey key = change.key();
        row(
            table,
            "layer " + key.layer() + " expert " + key.expert(),
            difference.expert(key.layer(), key.expert()));
      }
    }
    row(table, "all", difference.tensors());
    out.println();
    out.print(table);
  }

  private static void row(Table table, String name, List<TensorChange> changes) {
    if (changes.stream().anyMatch(TensorChange::changed)) {
      String before = encodings(changes, TensorChange::firstEncoding);
      String after = encodings(changes, TensorChange::secondEncoding);
      table.row(
          name,
          before.equals(after) ? before : before + " -> " + after,
          Sizes.of(changes.stream().mapToLong(TensorChange::firstBytes).sum()),
          Sizes.of(changes.stream().mapToLong(TensorChange::secondBytes).sum()),
          Sizes.format("%.3e", ModelDifference.relativeError(changes)));
    }
  }

  private static String encodings(
      List<TensorChange> changes, Function<TensorChange, String> encoding) {
    return changes.stream().map(encoding).distinct().collect(Collectors.joining("/"));
  }

  private static ObjectNode toJson(ModelDifference difference) {
    ObjectNode root = StrictJson.newObject();
    root.put("equal", difference.isEmpty());
    ObjectNode config = root.putObject("config");
    for (FieldChange field : difference.config()) {
      config.putObject(field.name()).put("a", field.first()).put("b", field.second());
    }
    difference.onlyInFirst().stream().map(TensorKey::id).forEach(root.putArray("onlyInA")::add);
    difference.onlyInSecond().stream().map(TensorKey::id).forEach(root.putArray("onlyInB")::add);
    ArrayNode tensors = root.putArray("tensors");
    for (TensorChange change : difference.tensors()) {
      ObjectNode node = tensors.addObject().put("key", change.key().id());
      ModelConfigJson.putKey(node, change.key());
      node.put("changed", change.changed());
      node.putObject("encoding").put("a", change.firstEncoding()).put("b", change.secondEncoding());
      node.putObject("bytes").put("a", change.firstBytes()).put("b", change.secondBytes());
      node.put("relativeError", ModelDifference.relativeError(List.of(change)));
    }
    ArrayNode experts = root.putArray("experts");
    for (TensorChange change : difference.tensors()) {
      if (change.key().role() == TensorRole.EXPERT_GATE) {
        int layer = change.key().layer();
        int expert = change.key().expert();
        List<TensorChange> all = difference.expert(layer, expert);
        ObjectNode node = experts.addObject().put("layer", layer).put("expert", expert);
        node.put("relativeError", ModelDifference.relativeError(all));
      }
    }
    return root;
  }
}
