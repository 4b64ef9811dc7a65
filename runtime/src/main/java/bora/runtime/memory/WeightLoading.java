package bora.runtime.memory;

import bora.formats.model.ModelConfig;

/**
 * Replays how the weights come to the device: one allocation a tensor, in the order of the modules.
 */
final class WeightLoading {
  /** Hopper's default cuBLAS workspace ({@code CUBLAS_WORKSPACE_CONFIG=:4096:8}), 32 MiB. */
  static final long CUBLAS_WORKSPACE_BYTES = 32L << 20;

  /** RoPE's inverse frequencies are kept twice (current and original), each in one block. */
  static final int ROPE_BUFFERS = 2;

  private final MemoryRequest request;
  private final CachingAllocator allocator;
  private final double bytesPerParameter;

  WeightLoading(MemoryRequest request, CachingAllocator allocator) {
    this.request = request;
    this.allocator = allocator;
    // The bytes of a pack are spread over the tensors in proportion: only the rounding to segments
    // depends on it.
    this.bytesPerParameter = (double) request.weightBytes() / request.config().parameterCount();
  }

  void replay() {
    ModelConfig config = request.config();
    long hidden = config.hiddenSize();
    long queryRows = Math.multiplyExact((long) config.headCount(), config.headDim());
    long keyRows = Math.multiplyExact((long) config.kvHeadCount(), config.headDim());
    allocator.allocate(TensorKind.WORKSPACE, CUBLAS_WORKSPACE_BYTES);
    load(config.vocabSize(), hidden);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      load(queryRows, hidden);
      load(keyRows, hidden);
      load(keyRows, hidden);
      load(hidden, queryRows);
      loadFeedForward(config);
      load(1, hidden);
      load(1, hidden);
    }
    load(1, hidden);
    for (int buffer = 0; buffer < ROPE_BUFFERS; buffer++) {
      allocator.allocate(
          TensorKind.POSITION, Math.multiplyExact(Float.BYTES, ropeFrequencies(config)));
    }
    if (!config.tiedEmbeddings()) {
      load(config.vocabSize(), hidden);
    }
  }

  private void loadFeedForward(ModelConfig config) {
    long hidden = config.hiddenSize();
    long intermediate = config.intermediateSize();
    if (config.expertCount() == 1) {
      load(intermediate, hidden);
      load(intermediate, hidden);
      load(hidden, intermediate);
    } else {
      // transformers 5 fuses all experts of a layer into two tensors.
      long rows = Math.multiplyExact(config.expertCount(), intermediate);
      load(config.expertCount(), hidden);
      load(Math.multiplyExact(2, rows), hidden);
      load(rows, hidden);
    }
  }

  private void load(long rows, long columns) {
    long bytes = Math.round(Math.multiplyExact(rows, columns) * bytesPerParameter);
    allocator.allocate(TensorKind.WEIGHT, Math.max(1, bytes));
  }

  static long ropeFrequencies(ModelConfig config) {
    return Math.max(1, config.headDim() / 2);
  }
}
