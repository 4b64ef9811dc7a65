package bora.formats.model;

import java.util.List;
import java.util.OptionalInt;

/** Small configurations for tests. */
public final class TestConfigs {
  private TestConfigs() {}

  /** Two dense layers: 16 hidden, 24 intermediate, 4 heads of 4 over 2 of keys and values. */
  public static ModelConfig mistral() {
    return config(Architecture.MISTRAL, 2, 1, 1, false);
  }

  /** Two layers of four experts, two a token; otherwise as {@link #mistral}. */
  public static ModelConfig mixtral() {
    return config(Architecture.MIXTRAL, 2, 4, 2, false);
  }

  /** Other sizes of the same. */
  public static ModelConfig config(
      Architecture architecture, int layers, int experts, int expertsPerToken, boolean tied) {
    return new ModelConfig(
        architecture,
        24,
        16,
        24,
        layers,
        4,
        2,
        4,
        experts,
        expertsPerToken,
        1e-5,
        10_000,
        OptionalInt.empty(),
        128,
        tied,
        OptionalInt.of(1),
        List.of(2));
  }
}
