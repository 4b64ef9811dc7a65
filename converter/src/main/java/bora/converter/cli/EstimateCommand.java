package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.ModelDescription;
import bora.formats.json.StrictJson;
import bora.formats.model.ModelConfig;
import bora.runtime.memory.ActivationType;
import bora.runtime.memory.GpuSize;
import bora.runtime.memory.MemoryComponent;
import bora.runtime.memory.MemoryEstimate;
import bora.runtime.memory.MemoryRequest;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora estimate}: what GPU memory a model needs, and what context fits. */
@Command(
    name = "estimate",
    header = "Says what GPU memory a model needs, part by part, without a GPU.",
    description = {
      "",
      "Estimates what transformers with PyTorch takes on a GPU; docs/memory.md has the method and",
      "its error against measurements. Of a pack the weights count as they are encoded.",
      ""
    },
    mixinStandardHelpOptions = true)
final class EstimateCommand implements Callable<Integer> {
  private static final int DEFAULT_CONTEXT = 4096;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      paramLabel = "PATH",
      arity = "1..*",
      description =
          "a pack, a checkpoint's directory, a GGUF file, a config.json, or one of mistral-7b-v0.1,"
              + " mistral-7b-v0.2, mixtral-8x7b-v0.1; several are compared side by side")
  private List<String> paths;

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "tokens of each sequence; default ${DEFAULT-VALUE}, or the model's most")
  private Long context;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "1",
      description = "sequences at once; default ${DEFAULT-VALUE}")
  private int batch;

  @Option(
      names = "--dtype",
      paramLabel = "D",
      defaultValue = "bf16",
      converter = DtypeConverter.class,
      description = "bf16, f16 or f32, of activations, KV cache and unquantized weights")
  private ActivationType dtype;

  @Option(
      names = "--gpu",
      paramLabel = "SIZE",
      converter = GpuSizeConverter.class,
      description = "memory to fit, as 16GB (10^9) or 16GiB (2^30); may be repeated")
  private List<GpuSize> gpus = GpuSize.DEFAULTS;

  @Option(names = "--json", description = "one JSON document on standard output, bytes throughout")
  private boolean json;

  /** Parses {@code 16GB}. */
  static final class GpuSizeConverter implements CommandLine.ITypeConverter<GpuSize> {
    @Override
    public GpuSize convert(String text) {
      return Usage.value(() -> GpuSize.parse(text));
    }
  }

  /** Parses {@code bf16}. */
  static final class DtypeConverter implements CommandLine.ITypeConverter<ActivationType> {
    @Override
    public ActivationType convert(String text) {
      return Usage.value(() -> ActivationType.parse(text));
    }
  }

  @Override
  public Integer call() throws IOException {
    List<ModelMemory> models = new ArrayList<>();
    for (String path : paths) {
      ModelDescription model = ModelDescription.of(path);
      models.add(ModelMemory.of(model.title(), request(model), gpus));
    }
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.print(new String(StrictJson.toIndentedBytes(toJson(models)), UTF_8));
    } else if (models.size() == 1) {
      MemoryTable.print(out, models.getFirst());
    } else {
      MemoryTable.printSideBySide(out, models);
    }
    out.flush();
    return ExitCode.DONE;
  }

  private MemoryRequest request(ModelDescription model) {
    ModelConfig config = model.config();
    long tokens =
        context != null ? context : Math.min(DEFAULT_CONTEXT, config.maxPositionEmbeddings());
    Usage.require(spec, tokens >= 1, "--context: expected at least 1, found " + tokens);
    Usage.require(spec, batch >= 1, "--batch: expected at least 1, found " + batch);
    return model
        .weightBytes()
        .map(bytes -> new MemoryRequest(config, bytes, dtype, tokens, batch))
        .orElseGet(() -> MemoryRequest.unquantized(config, dtype, tokens, batch));
  }

  /** The document of one model, or a list of such with their names. */
  private static ObjectNode toJson(List<ModelMemory> models) {
    ObjectNode root = StrictJson.newObject();
    if (models.size() == 1) {
      putModel(root, models.getFirst());
      return root;
    }
    ArrayNode all = root.putArray("models");
    for (ModelMemory model : models) {
      putModel(all.addObject().put("model", model.title()), model);
    }
    return root;
  }

  private static void putModel(ObjectNode root, ModelMemory model) {
    MemoryEstimate estimate = model.estimate();
    ObjectNode components = root.putObject("components");
    for (MemoryComponent component : MemoryComponent.values()) {
      components.put(component.jsonName(), estimate.bytes(component));
    }
    root.put("total", estimate.total());
    root.put("context", estimate.contextTokens());
    root.put("batch", estimate.batch());
    root.put("dtype", estimate.dtype().label());
    ObjectNode fits = root.putObject("fits");
    model.fits().forEach(fit -> fits.put(fit.gpu().label(), fit.fits()));
    ObjectNode most = root.putObject("maxContext");
    model.fits().forEach(fit -> most.put(fit.gpu().label(), fit.maxContext()));
    ArrayNode warnings = root.putArray("warnings");
    model.fits().forEach(fit -> fit.unitWarning().ifPresent(warnings::add));
  }
}
