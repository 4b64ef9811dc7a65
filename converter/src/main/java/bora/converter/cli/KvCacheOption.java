package bora.converter.cli;

import bora.runtime.KvCacheType;
import picocli.CommandLine.Option;

/** How keys and values are kept. */
final class KvCacheOption {
  @Option(
      names = "--kv-cache",
      paramLabel = "TYPE",
      defaultValue = "f16",
      description =
          "keep keys and values as f32 or, in half the memory, rounded to f16 or bf16;"
              + " default ${DEFAULT-VALUE}")
  private KvCacheType type;

  KvCacheType type() {
    return type;
  }
}
