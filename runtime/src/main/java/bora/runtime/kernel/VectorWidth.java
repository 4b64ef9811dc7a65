package bora.runtime.kernel;

import java.util.Optional;

/**
 * Which vector width this process uses, decided once. It is a constant so that the compiler turns
 * each vector operation into one instruction. Does not touch the vector classes unless their module
 * is there.
 */
final class VectorWidth {
  static final String PROPERTY = "bora.vectorBits";

  private static final String MODULE = "jdk.incubator.vector";
  private static final String REQUESTED = System.getProperty(PROPERTY);

  private VectorWidth() {}

  static boolean isRequested() {
    return REQUESTED != null;
  }

  /** 128, 256 or 512. Call only where {@link #unsupportedReason} is empty. */
  static int bits() {
    return REQUESTED != null
        ? Integer.parseInt(REQUESTED)
        : Math.min(512, VectorSpeciesProbe.widestBits());
  }

  /** Why vector kernels cannot run in this process, or nothing. */
  static Optional<String> unsupportedReason() {
    if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
      return Optional.of(
          "module " + MODULE + " is absent; start java with --add-modules " + MODULE);
    }
    int widestBits = VectorSpeciesProbe.widestBits();
    if (REQUESTED == null) {
      return widestBits >= 128
          ? Optional.empty()
          : Optional.of("expected vectors of at least 128 bits, found " + widestBits);
    }
    return switch (REQUESTED) {
      case "128", "256", "512" ->
          Integer.parseInt(REQUESTED) <= widestBits
              ? Optional.empty()
              : Optional.of(
                  PROPERTY + "=" + REQUESTED + ": this VM has vectors of " + widestBits + " bits");
      default -> Optional.of(PROPERTY + ": expected 128, 256 or 512, found " + REQUESTED);
    };
  }
}
