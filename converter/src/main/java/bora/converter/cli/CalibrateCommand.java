package bora.converter.cli;

import bora.converter.calibration.CalibrationRun;
import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.Sha256;
import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.calibration.CalibrationSource;
import bora.quantizer.calibration.ExpertCoverage;
import bora.verifier.WindowsProtocol;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora calibrate}: what a text tells of a checkpoint. */
@Command(
    name = "calibrate",
    header = "Runs a checkpoint over a text to learn what its layers read, for plan and convert.",
    description = {
      "",
      "Records for every linear layer, and every expert apart, the second moments of its input,",
      "and how much the predictions suffer when it is rounded; docs/fidelity.md. Memory holds one",
      "layer at a time. Never calibrate on the text that will be used for evaluation.",
      ""
    },
    mixinStandardHelpOptions = true)
final class CalibrateCommand implements Callable<Integer> {
  /** No more of a text is read than this, unless the windows need it. */
  private static final int MAX_TEXT_TOKENS = 1 << 22;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "CHECKPOINT", description = "a checkpoint's directory")
  private Path directory;

  @ArgGroup(multiplicity = "1")
  private TextOrTokens input;

  @Option(
      names = "--windows",
      paramLabel = "N",
      defaultValue = "128",
      description = "the most windows to run; default: ${DEFAULT-VALUE}")
  private int windows;

  @Option(
      names = "--window",
      paramLabel = "T",
      defaultValue = "512",
      description = "tokens of a window; default: ${DEFAULT-VALUE}")
  private int windowTokens;

  @Option(
      names = "--sensitivity-windows",
      paramLabel = "N",
      defaultValue = "12",
      description =
          "how many of the windows measure sensitivities, the most costly part; 0 for none;"
              + " default: ${DEFAULT-VALUE}")
  private int sensitivityWindows;

  @Option(
      names = "--min-tokens",
      paramLabel = "N",
      defaultValue = "0",
      description = "fail when an expert saw fewer tokens; default: ${DEFAULT-VALUE}")
  private long minTokens;

  @Option(
      names = "--rounding",
      paramLabel = "sequence|apart",
      defaultValue = "sequence",
      description =
          "how `convert` will round: in sequence, for which the calibration keeps its tokens, or"
              + " every tensor apart, coarser and faster; default: ${DEFAULT-VALUE}")
  private String rounding;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "CALIBRATION",
      required = true,
      description = "the file to write")
  private Path output;

  @Mixin private ThreadOptions threads;

  @Override
  public Integer call() throws IOException {
    requireOptions();
    PrintWriter err = spec.commandLine().getErr();
    try (Checkpoint checkpoint = CheckpointArgument.open(directory, err)) {
      calibrate(checkpoint, err);
    }
    err.println(Sizes.format("wrote %s: %s", output, Sizes.of(Files.size(output))));
    return ExitCode.DONE;
  }

  private void requireOptions() {
    Usage.require(
        spec,
        windows >= 1 && windowTokens >= 4 && sensitivityWindows >= 0,
        "--windows, --window, --sensitivity-windows: expected at least 1, 4 and 0, found "
            + windows
            + ", "
            + windowTokens
            + " and "
            + sensitivityWindows);
    Usage.require(
        spec,
        List.of("sequence", "apart").contains(rounding),
        "--rounding: expected sequence or apart, found " + rounding);
  }

  private void calibrate(Checkpoint checkpoint, PrintWriter err) throws IOException {
    List<int[]> cut = windows(checkpoint);
    CalibrationSource source =
        new CalibrationSource(
            checkpoint.fingerprint(),
            Sha256.of(input.file(), ProgressListener.NONE),
            cut.size(),
            windowTokens,
            Math.min(sensitivityWindows, cut.size()),
            "float32");
    int layers = checkpoint.config().layerCount() + 2;
    try (Progress progress = Progress.of(err, "calibrating", layers, "layers")) {
      List<ExpertCoverage> coverage =
          CalibrationRun.run(
              checkpoint,
              source,
              cut,
              this::requireCoverage,
              rounding.equals("sequence"),
              output,
              threads.count(spec),
              progress);
      report(coverage, err);
    }
  }

  /** Spread evenly over what is read of the text, for it may change its subject. */
  private List<int[]> windows(Checkpoint checkpoint) throws IOException {
    long wanted = Math.max(MAX_TEXT_TOKENS, (long) windows * windowTokens);
    int[] tokens = input.read(directory, (int) Math.min(wanted, Integer.MAX_VALUE));
    for (int token : tokens) {
      if (token >= checkpoint.config().vocabSize()) {
        throw new MismatchedArtifactException(
            input.file(),
            "tokens of another model: expected ids below the vocabulary of "
                + checkpoint.config().vocabSize()
                + ", found "
                + token);
      }
    }
    if (tokens.length < windowTokens) {
      throw new CorruptFileException(
          input.file(),
          "too short: expected at least "
              + windowTokens
              + " tokens for one window, found "
              + tokens.length);
    }
    List<int[]> all =
        new WindowsProtocol(windowTokens, Integer.MAX_VALUE)
            .windows(tokens, checkpoint.config().bosTokenId());
    int count = Math.min(windows, all.size());
    return IntStream.range(0, count)
        .mapToObj(i -> all.get((int) ((long) i * all.size() / count)))
        .toList();
  }

  private static void report(List<ExpertCoverage> coverage, PrintWriter err) {
    int layer = -1;
    for (ExpertCoverage expert : coverage) {
      if (expert.layer() != layer) {
        layer = expert.layer();
        err.print((layer == 0 ? "tokens an expert saw, layer " : "\nlayer ") + layer + ":");
      }
      err.print(" " + expert.tokens());
    }
    err.println();
  }

  private void requireCoverage(List<ExpertCoverage> coverage) throws IOException {
    for (ExpertCoverage expert : coverage) {
      if (expert.tokens() < minTokens) {
        throw new CorruptFileException(
            input.file(),
            "layer "
                + expert.layer()
                + " expert "
                + expert.expert()
                + ": expected at least "
                + minTokens
                + " tokens (--min-tokens), found "
                + expert.tokens()
                + "; calibrate on a longer or more varied text");
      }
    }
  }
}
