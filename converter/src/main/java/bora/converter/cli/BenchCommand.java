package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.formats.json.StrictJson;
import bora.formats.pack.PackReader;
import bora.runtime.HostMemory;
import bora.runtime.KernelChoice;
import bora.runtime.Model;
import bora.runtime.PackBenchmark;
import bora.runtime.RuntimeOptions;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora bench}: how fast a pack runs here. */
@Command(
    name = "bench",
    header = "Measures decode and prefill of a pack, beside what reading its bytes takes.",
    description = {
      "",
      "Decode is as fast as memory allows when its GB/s comes near the read bandwidth. Medians of",
      "five runs after a warm-up; run it while the machine does nothing else. What memory the"
          + " process",
      "takes is held against what docs/memory.md predicts.",
      ""
    },
    mixinStandardHelpOptions = true)
final class BenchCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "PACK", description = "the pack to run")
  private Path packFile;

  @Mixin private ThreadOptions threads;

  @Option(
      names = "--context",
      paramLabel = "N",
      defaultValue = "8192",
      description = "decode behind so many tokens too; default ${DEFAULT-VALUE}")
  private int context;

  @Mixin private KvCacheOption kvCache;

  @Mixin private ActivationOptions activationOptions;

  @Option(names = "--json", description = "one JSON document on standard output")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    int count = threads.count(spec);
    Usage.require(spec, context >= 0, "--context: expected at least 0, found " + context);
    PrintWriter out = spec.commandLine().getOut();
    long start = System.nanoTime();
    try (PackReader pack = PackReader.open(packFile)) {
      double openMillis = (System.nanoTime() - start) * 1e-6;
      RuntimeOptions options =
          new RuntimeOptions(count, KernelChoice.AUTO, activationOptions.activations);
      try (Model model = Model.open(pack, options)) {
        spec.commandLine().getErr().println("measuring ...");
        PackBenchmark.Result result =
            PackBenchmark.run(pack, model, count, context, kvCache.type());
        if (json) {
          ObjectNode document = toJson(result, count, model.kernels(), openMillis);
          out.print(new String(StrictJson.toIndentedBytes(document), UTF_8));
        } else {
          out.print(toTable(result, model.kernels(), openMillis));
        }
        out.flush();
      }
    }
    return ExitCode.DONE;
  }

  private static ObjectNode toJson(
      PackBenchmark.Result result, int threads, String kernels, double openMillis) {
    ObjectNode root = StrictJson.newObject();
    root.putObject("decode")
        .put("tokensPerSecond", result.decodeTokensPerSecond())
        .put("weightBytesPerToken", result.weightBytesPerToken())
        .put("GBps", result.decodeGigabytesPerSecond())
        .put("shareOfReadBandwidth", result.shareOfReading());
    root.putObject("decodeBehindContext")
        .put("tokensPerSecond", result.farDecodeTokensPerSecond())
        .put("slowdown", result.farSlowdown())
        .put("contextTokens", result.farTokens());
    root.putObject("prefill")
        .put("tokensPerSecond", result.prefillTokensPerSecond())
        .put("tokens", result.prefillTokens());
    root.put("readBandwidthGBps", result.readGigabytesPerSecond());
    HostMemory predicted = result.predictedMemory();
    ObjectNode memory = root.putObject("memory");
    memory
        .putObject("predicted")
        .put("weights", predicted.weights())
        .put("kvCache", predicted.kvCache())
        .put("scratch", predicted.scratch())
        .put("freshHeap", predicted.freshHeap())
        .put("virtualMachine", predicted.virtualMachine())
        .put("total", predicted.total());
    result
        .residentBytes()
        .ifPresent(
            bytes ->
                memory
                    .put("measured", bytes)
                    .put("predictedToMeasured", (double) predicted.total() / bytes));
    root.put("threads", threads);
    root.put("kernels", kernels);
    root.put("openMillis", openMillis);
    return root;
  }

  private static Table toTable(PackBenchmark.Result result, String kernels, double openMillis) {
    HostMemory predicted = result.predictedMemory();
    Table table =
        new Table()
            .row("decode", Sizes.format("%.2f tokens/s", result.decodeTokensPerSecond()))
            .row("  weights read a token", Sizes.of(result.weightBytesPerToken()))
            .row("  that is", Sizes.format("%.2f GB/s", result.decodeGigabytesPerSecond()))
            .row("  of the read bandwidth", Sizes.format("%.0f %%", 100 * result.shareOfReading()))
            .row(
                "decode behind " + result.farTokens() + " tokens",
                Sizes.format("%.2f tokens/s", result.farDecodeTokensPerSecond()))
            .row("  a token takes", Sizes.format("%.2f times as long", result.farSlowdown()))
            .row("read bandwidth", Sizes.format("%.2f GB/s", result.readGigabytesPerSecond()))
            .row(
                "prefill of " + result.prefillTokens() + " tokens",
                Sizes.format("%.2f tokens/s", result.prefillTokensPerSecond()))
            .row("opening the pack", Sizes.format("%.1f ms", openMillis))
            .row("kernels", kernels)
            .row(
                "memory behind " + result.farTokens() + " tokens, predicted",
                Sizes.of(predicted.total()))
            .row("  weights", Sizes.of(predicted.weights()))
            .row("  KV cache", Sizes.of(predicted.kvCache()))
            .row("  scratch", Sizes.of(predicted.scratch()))
            .row("  new objects", Sizes.of(predicted.freshHeap()))
            .row("  virtual machine", Sizes.of(predicted.virtualMachine()));
    result
        .residentBytes()
        .ifPresent(
            bytes ->
                table
                    .row("  measured", Sizes.of(bytes))
                    .row(
                        "  predicted to measured",
                        Sizes.format("%.3f", (double) predicted.total() / bytes)));
    return table;
  }
}
