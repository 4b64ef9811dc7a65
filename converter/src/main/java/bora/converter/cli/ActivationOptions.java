package bora.converter.cli;

import bora.runtime.Activations;
import picocli.CommandLine.Option;

/** How activations enter products with integer codes. */
final class ActivationOptions {
  @Option(
      names = "--activations",
      paramLabel = "f32|int8",
      defaultValue = "f32",
      description = {
        "f32: as they are (default)",
        "int8: rounded to 8 bits, but for f32 and bf16 weights: faster, and nearly as exact"
      })
  Activations activations;
}
