package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.InspectionJson;
import bora.converter.ModelDescription;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.json.StrictJson;
import bora.formats.pack.PackReader;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora inspect}: what a pack, checkpoint or config holds. */
@Command(
    name = "inspect",
    header = "Says what is in a pack, a checkpoint or a config.",
    description = {
      "",
      "A pack's structure is always checked when it is opened; --check reads all of its data and",
      "names what is damaged.",
      ""
    },
    mixinStandardHelpOptions = true)
final class InspectCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      paramLabel = "PATH",
      description =
          "a pack, a checkpoint's directory, a GGUF file, a config.json, or a model built in")
  private String path;

  @Option(names = "--tensors", description = "list every tensor")
  private boolean tensors;

  @Option(names = "--check", description = "compare every checksum of a pack")
  private boolean check;

  @Option(names = "--json", description = "one JSON document on standard output")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    ModelDescription model = ModelDescription.of(path);
    Usage.require(
        spec,
        !check || model.kind() == ModelDescription.Kind.PACK,
        "--check: expected a pack, found a " + model.kind().label());
    PrintWriter out = spec.commandLine().getOut();
    switch (model.kind()) {
      case PACK -> inspectPack(out);
      case CHECKPOINT -> inspectCheckpoint(out);
      case CONFIG, KNOWN_MODEL -> {
        if (json) {
          print(out, InspectionJson.ofConfig(model.config()));
        } else {
          InspectionText.printConfig(out, model.title(), model.config());
        }
      }
    }
    out.flush();
    return ExitCode.DONE;
  }

  private void inspectPack(PrintWriter out) throws IOException {
    PrintWriter err = spec.commandLine().getErr();
    try (PackReader pack = PackReader.open(Path.of(path))) {
      if (check) {
        try (Progress progress = Progress.ofBytes(err, "checking", pack.integrityBytes())) {
          pack.checkIntegrity(progress);
        }
      }
      if (json) {
        print(out, InspectionJson.ofPack(pack));
      } else {
        InspectionText.printPack(out, pack, tensors);
        if (check) {
          out.println("All checksums match.");
        }
      }
    }
  }

  private void inspectCheckpoint(PrintWriter out) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(Path.of(path))) {
      if (json) {
        print(out, InspectionJson.ofCheckpoint(checkpoint));
      } else {
        InspectionText.printCheckpoint(out, checkpoint, tensors);
      }
    }
  }

  private static void print(PrintWriter out, JsonNode document) {
    out.print(new String(StrictJson.toIndentedBytes(document), UTF_8));
  }
}
