package bora.fuzz;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import java.util.List;
import java.util.OptionalInt;

/** The model of the honest files. */
final class TinyModel {
  static final ModelConfig CONFIG =
      new ModelConfig(
          Architecture.MIXTRAL,
          4,
          4,
          4,
          1,
          2,
          1,
          2,
          2,
          1,
          1e-5,
          1e6,
          OptionalInt.empty(),
          16,
          false,
          OptionalInt.of(1),
          List.of(2));

  /** What {@code bora plan} and {@code bora calibrate} wrote of {@code hub/}. */
  static final String FINGERPRINT =
      "54ea67b570b78e1b8ef4a53ce83b99751c92c0ce0fd0a474f1db2a6f31b3e66e";

  private TinyModel() {}
}
