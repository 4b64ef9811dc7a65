package bora.converter.cli;

import bora.converter.oci.RegistryReference;
import bora.converter.release.ReleaseDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code bora push}: a release to an OCI registry. */
@Command(
    name = "push",
    header = "Uploads a release to an OCI registry.",
    description = {
      "",
      "Takes what `bora release --oci` made. Uploads what the registry lacks, the manifest last.",
      "Credentials are those that `docker login` left in its config.json.",
      ""
    },
    mixinStandardHelpOptions = true)
final class PushCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(index = "0", paramLabel = "DIR", description = "a release, or an OCI layout")
  private Path directory;

  @Parameters(
      index = "1",
      paramLabel = RegistryOptions.REFERENCE,
      converter = RegistryOptions.ReferenceConverter.class,
      description = "where to; without a tag `latest`")
  private RegistryReference reference;

  @Mixin private RegistryOptions options;

  @Override
  public Integer call() throws IOException {
    Path inRelease = directory.resolve(ReleaseDirectory.OCI);
    Path layout = Files.isDirectory(inRelease) ? inRelease : directory;
    String digest;
    try (Progress progress = Progress.ofBytes(spec.commandLine().getErr(), "pushing", -1)) {
      digest = options.transfer(reference).push(layout, progress);
    }
    spec.commandLine().getOut().println(reference + " " + digest);
    return ExitCode.DONE;
  }
}
