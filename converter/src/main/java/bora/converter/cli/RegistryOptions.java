package bora.converter.cli;

import bora.converter.oci.ModelTransfer;
import bora.converter.oci.RegistryReference;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** How a registry is spoken to: what {@code push} and {@code pull} share. */
final class RegistryOptions {
  static final String REFERENCE = "HOST[:PORT]/REPOSITORY[:TAG]";

  @Option(
      names = "--plain-http",
      description = "speak without encryption, as is done to this machine's own addresses")
  private boolean plainHttp;

  /** Parses {@code ghcr.io/owner/model:4.5bpw}. */
  static final class ReferenceConverter implements CommandLine.ITypeConverter<RegistryReference> {
    @Override
    public RegistryReference convert(String text) {
      return Usage.value(() -> RegistryReference.parse(text));
    }
  }

  ModelTransfer transfer(RegistryReference reference) {
    return new ModelTransfer(reference, plainHttp || reference.isLoopback(), System.getenv());
  }
}
