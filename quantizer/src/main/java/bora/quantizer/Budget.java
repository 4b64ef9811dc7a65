package bora.quantizer;

/** What a plan may spend. */
public sealed interface Budget {
  /**
   * Bits a weight, over all tensors; gaps, manifest and attachments of the pack not counted.
   *
   * @param value positive
   */
  record Bits(double value) implements Budget {
    public Bits {
      if (!(value > 0) || value > Integer.SIZE) {
        throw new IllegalArgumentException(
            "bits a weight: expected a number up to 32, found " + value);
      }
    }

    @Override
    public String toString() {
      return value + " bits";
    }
  }

  /** Bytes of the whole pack without its attachments. */
  record Size(long bytes) implements Budget {
    public Size {
      if (bytes < 1) {
        throw new IllegalArgumentException("size: expected at least 1 byte, found " + bytes);
      }
    }

    @Override
    public String toString() {
      return bytes + " bytes";
    }
  }
}
