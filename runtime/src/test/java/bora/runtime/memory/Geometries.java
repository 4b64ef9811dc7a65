package bora.runtime.memory;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import java.util.List;
import java.util.OptionalInt;

/** Model shapes of the tests. */
final class Geometries {
  private Geometries() {}

  static ModelConfig mistral7B() {
    return sevenB(32, 1, OptionalInt.empty());
  }

  static ModelConfig mixtral8x7B() {
    return sevenB(32, 8, OptionalInt.empty());
  }

  static ModelConfig sevenB(int layers, int experts, OptionalInt slidingWindow) {
    return shape(32000, 4096, 14336, layers, 32, 8, 128, experts, slidingWindow);
  }

  static ModelConfig shape(
      int vocabulary,
      int hidden,
      int intermediate,
      int layers,
      int heads,
      int kvHeads,
      int headDim,
      int experts,
      OptionalInt slidingWindow) {
    return new ModelConfig(
        experts == 1 ? Architecture.MISTRAL : Architecture.MIXTRAL,
        vocabulary,
        hidden,
        intermediate,
        layers,
        heads,
        kvHeads,
        headDim,
        experts,
        experts == 1 ? 1 : 2,
        1e-5,
        1e6,
        slidingWindow,
        32768,
        false,
        OptionalInt.of(1),
        List.of(2));
  }
}
