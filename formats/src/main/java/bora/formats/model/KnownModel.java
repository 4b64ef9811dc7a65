package bora.formats.model;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;

/** Published models whose configuration is built in, so that they can be asked about by name. */
public enum KnownModel {
  /** {@code mistralai/Mistral-7B-v0.1}: sliding window of 4096 tokens. */
  MISTRAL_7B_V0_1("mistral-7b-v0.1", 1, 10_000, OptionalInt.of(4096)),
  /** {@code mistral-community/Mistral-7B-v0.2}: 32k context, no sliding window. */
  MISTRAL_7B_V0_2("mistral-7b-v0.2", 1, 1_000_000, OptionalInt.empty()),
  /** {@code mistralai/Mixtral-8x7B-v0.1}: two of eight experts a token. */
  MIXTRAL_8X7B_V0_1("mixtral-8x7b-v0.1", 8, 1_000_000, OptionalInt.empty());

  private final String id;
  private final ModelConfig config;

  KnownModel(String id, int experts, double ropeTheta, OptionalInt slidingWindow) {
    this.id = id;
    this.config =
        new ModelConfig(
            experts == 1 ? Architecture.MISTRAL : Architecture.MIXTRAL,
            32_000,
            4096,
            14_336,
            32,
            32,
            8,
            128,
            experts,
            Math.min(experts, 2),
            1e-5,
            ropeTheta,
            slidingWindow,
            32_768,
            false,
            OptionalInt.of(1),
            List.of(2));
  }

  public String id() {
    return id;
  }

  public ModelConfig config() {
    return config;
  }

  /** Finds a model by its name in any case. */
  public static Optional<KnownModel> ofId(String id) {
    String lowerCase = id.toLowerCase(Locale.ROOT);
    return Arrays.stream(values()).filter(model -> model.id.equals(lowerCase)).findFirst();
  }
}
