package bora.runtime.kernel;

import jdk.incubator.vector.VectorShape;

/** Asks the VM for its vector width. Apart, since it needs the vector module to load. */
final class VectorSpeciesProbe {
  private VectorSpeciesProbe() {}

  static int widestBits() {
    return VectorShape.preferredShape().vectorBitSize();
  }
}
