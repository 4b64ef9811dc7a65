package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.release.ReleaseDirectory;
import bora.converter.signing.SignedDirectory;
import bora.converter.signing.VerificationKey;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora verify-signature}: is a directory what its publisher signed? */
@Command(
    name = "verify-signature",
    header = "Holds every file of a signed directory against its signature.",
    description = {
      "",
      "Reads signatures in the format of the OpenSSF's model signing, made by an elliptic-curve"
          + " key:",
      "those of `bora release --sign` and of `model_signing sign key`. Names every file that was",
      "changed, added or removed.",
      ""
    },
    mixinStandardHelpOptions = true)
final class VerifySignatureCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "DIR", description = "the directory")
  private Path directory;

  @Option(
      names = "--key",
      paramLabel = "PUBLIC.pem",
      required = true,
      description = "the publisher's public key")
  private Path key;

  @Option(
      names = "--signature",
      paramLabel = "FILE",
      description = "the signature; default: release.sig and model.sig in the directory")
  private Path signature;

  @Option(
      names = "--json",
      description = "the signed files as one JSON document on standard output")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    VerificationKey publicKey = VerificationKey.read(key);
    SignedDirectory signed;
    try (Progress progress =
        Progress.ofBytes(spec.commandLine().getErr(), "verifying signature", -1)) {
      signed =
          signature == null
              ? ReleaseDirectory.verify(directory, publicKey, progress)
              : SignedDirectory.verify(directory, signature, publicKey, progress);
    }
    if (json) {
      ObjectNode root = StrictJson.newObject().put("name", signed.name());
      root.put("key", publicKey.hint());
      ObjectNode files = root.putObject("files");
      signed.sha256().forEach(files::put);
      out.print(new String(StrictJson.toIndentedBytes(root), UTF_8));
    } else {
      out.println(
          signed.name() + ": all " + signed.sha256().size() + " files are what this key signed");
    }
    out.flush();
    return ExitCode.DONE;
  }
}
