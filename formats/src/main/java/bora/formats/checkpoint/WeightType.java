package bora.formats.checkpoint;

/**
 * The types in which checkpoints may hold weights: floats, and the blocks of GGUF files that are
 * read. A block is a run of columns of one row that share their scales.
 *
 * <p>Sizes of blocks: {@code ggml/src/ggml-common.h} of llama.cpp.
 */
public enum WeightType {
  F32(1, 4),
  F16(1, 2),
  BF16(1, 2),
  Q4_0(32, 18),
  Q8_0(32, 34),
  Q4_K(256, 144),
  Q5_K(256, 176),
  Q6_K(256, 210);

  private final int blockElements;
  private final int blockBytes;

  WeightType(int blockElements, int blockBytes) {
    this.blockElements = blockElements;
    this.blockBytes = blockBytes;
  }

  /** Elements of one block; 1 for floats. */
  public int blockElements() {
    return blockElements;
  }

  /** Bytes of one block. */
  public int blockBytes() {
    return blockBytes;
  }

  /** Whether this is quantized, so that float32 holds what is left of the weights. */
  public boolean isQuantized() {
    return blockElements > 1;
  }

  /**
   * Bytes of so many elements.
   *
   * @param elements a multiple of {@link #blockElements()}
   */
  public long bytes(long elements) {
    return Math.multiplyExact(elements / blockElements, (long) blockBytes);
  }
}
