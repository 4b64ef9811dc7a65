package bora.converter.cli;

import bora.converter.oci.RegistryReference;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora pull}: a release from an OCI registry. */
@Command(
    name = "pull",
    header = "Downloads a model's files from an OCI registry.",
    description = {
      "",
      "Every file is held against its digest; the directory appears when all are there. Then",
      "`bora verify-signature` tells whether they are what the publisher signed.",
      ""
    },
    mixinStandardHelpOptions = true)
final class PullCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      paramLabel = RegistryOptions.REFERENCE,
      converter = RegistryOptions.ReferenceConverter.class,
      description = "a model; without a tag `latest`, or @sha256:... for one manifest")
  private RegistryReference reference;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "DIR",
      required = true,
      description = "the directory to make; new or empty")
  private Path output;

  @Mixin private RegistryOptions options;

  @Override
  public Integer call() throws IOException {
    String digest;
    try (Progress progress = Progress.ofBytes(spec.commandLine().getErr(), "pulling", -1)) {
      digest = options.transfer(reference).pull(output, progress);
    }
    spec.commandLine().getOut().println(reference + " " + digest);
    return ExitCode.DONE;
  }
}
