package bora.runtime.memory;

import static bora.runtime.memory.MemoryComponent.ACTIVATIONS;
import static bora.runtime.memory.MemoryComponent.ALLOCATOR_SLACK;
import static bora.runtime.memory.MemoryComponent.KV_CACHE;
import static bora.runtime.memory.MemoryComponent.RUNTIME;
import static bora.runtime.memory.MemoryComponent.WEIGHTS;

import bora.formats.model.ModelConfig;
import java.util.List;
import java.util.OptionalLong;

/**
 * Says what GPU memory a Mistral or Mixtral model takes under transformers 5.17, PyTorch 2.11 and
 * sdpa attention on a Hopper GPU: the prompt in one forward pass, then a few decode steps. A pure
 * function of the request; needs no GPU.
 *
 * <p>It counts what the device reports as used, so the driver's share is part of it. Sources,
 * derivations and the errors against measurements are in {@code docs/memory.md}.
 */
public final class MemoryEstimator {
  /**
   * Measured on an H100 and an H200 with no process on it: what cudaMemGetInfo reports as taken.
   */
  private static final long DRIVER_BYTES = 552_402_944;

  /** Measured: 650969088 with a CUDA context, less the driver's share; 94 MiB. */
  private static final long CONTEXT_BYTES = 98_566_144;

  /**
   * Measured: device use less reserved memory less the two above; 74 MiB in 31 of 40 runs, 76 or 80
   * in the others.
   */
  private static final long KERNEL_BYTES = 74L << 20;

  private MemoryEstimator() {}

  /**
   * The memory of a request, part by part.
   *
   * @throws ArithmeticException if a size exceeds 2^63 - 1 bytes
   */
  public static MemoryEstimate estimate(MemoryRequest request) {
    CachingAllocator allocator = new CachingAllocator();
    new WeightLoading(request, allocator).replay();
    new ForwardReplay(request, allocator).replay();
    long cacheBytes = keyValueCacheBytes(request);
    long extraKeyValueBytes = allocator.liveBytesAtPeak(TensorKind.KEY_VALUE) - cacheBytes;
    long storedWeightBytes = allocator.liveBytesAtPeak(TensorKind.WEIGHT);
    long weightRoundingBytes = Math.max(0, storedWeightBytes - request.weightBytes());
    // Slack is the remainder, so the sum is the reserved memory even where a pack's tensors round
    // down.
    long countedBytes =
        Math.addExact(
            Math.addExact(request.weightBytes() + weightRoundingBytes, cacheBytes),
            Math.addExact(Math.max(0, extraKeyValueBytes), otherBytesAtPeak(allocator)));
    List<MemoryPart> parts =
        List.of(
            part(WEIGHTS, "parameters", request.weightBytes(), "the model's tensors as stored"),
            part(
                WEIGHTS,
                "block rounding",
                weightRoundingBytes,
                "every tensor occupies whole blocks of 512 bytes"),
            part(
                KV_CACHE,
                "keys and values",
                cacheBytes,
                "2 x layers x KV heads x head dimension x bytes x batch x tokens kept"),
            part(
                ACTIVATIONS,
                "cache growth",
                Math.max(0, extraKeyValueBytes),
                "keys and values of decoded tokens, of tokens beyond the window, or being copied"),
            live(allocator, TensorKind.HIDDEN_STATE, "hidden states", "tokens x hidden size"),
            live(allocator, TensorKind.FEED_FORWARD, "feed-forward", "tokens x intermediate size"),
            live(allocator, TensorKind.ATTENTION, "attention", "queries, keys, values, masks"),
            live(allocator, TensorKind.ROUTING, "routing", "router outputs and expert indices"),
            live(allocator, TensorKind.POSITION, "positions", "token ids, positions, RoPE tables"),
            live(allocator, TensorKind.LOGITS, "logits", "batch x vocabulary, last position only"),
            part(RUNTIME, "driver", DRIVER_BYTES, "taken before any process runs; measured"),
            part(RUNTIME, "CUDA context", CONTEXT_BYTES, "one process; measured"),
            part(RUNTIME, "kernels", KERNEL_BYTES, "loaded modules and cuBLAS; measured"),
            part(
                RUNTIME,
                "cuBLAS workspace",
                WeightLoading.CUBLAS_WORKSPACE_BYTES,
                "Hopper's default"),
            part(
                ALLOCATOR_SLACK,
                "unused segments",
                Math.max(0, allocator.reservedBytes() - countedBytes),
                "reserved by the caching allocator, empty at the peak; from its replay"));
    return new MemoryEstimate(parts, request.contextTokens(), request.batch(), request.dtype());
  }

  /** Whether the request fits a GPU of that many bytes. */
  public static boolean fits(MemoryRequest request, long gpuBytes) {
    return estimate(request).total() <= gpuBytes;
  }

  /**
   * A context that fits while the next larger one does not, or the model's longest context if that
   * fits; empty if not even one token fits. The template's own context is ignored.
   *
   * <p>The allocator's rounding makes the need fall now and then by a little while the context
   * grows; the answer is then one of the few neighbouring borders.
   */
  public static OptionalLong maxContext(MemoryRequest template, long gpuBytes) {
    if (!fits(template.withContext(1), gpuBytes)) {
      return OptionalLong.empty();
    }
    long fitting = 1;
    long beyond = template.config().maxPositionEmbeddings() + 1L;
    while (beyond - fitting > 1) {
      long middle = (fitting + beyond) >>> 1;
      if (fits(template.withContext(middle), gpuBytes)) {
        fitting = middle;
      } else {
        beyond = middle;
      }
    }
    return OptionalLong.of(fitting);
  }

  /** A window of w keeps the last w - 1 tokens between steps. */
  private static long keyValueCacheBytes(MemoryRequest request) {
    ModelConfig config = request.config();
    long keptTokens = request.contextTokens();
    if (config.slidingWindow().isPresent()) {
      keptTokens = Math.min(keptTokens, Math.max(1, config.slidingWindow().getAsInt() - 1));
    }
    long tokenBytes = Math.multiplyExact(2L * request.dtype().bytes(), config.layerCount());
    tokenBytes = Math.multiplyExact(tokenBytes, config.kvHeadCount());
    tokenBytes = Math.multiplyExact(tokenBytes, config.headDim());
    return Math.multiplyExact(tokenBytes, Math.multiplyExact(request.batch(), keptTokens));
  }

  /** Everything alive at the peak but weights, keys and values. */
  private static long otherBytesAtPeak(CachingAllocator allocator) {
    return allocator.peakAllocatedBytes()
        - allocator.liveBytesAtPeak(TensorKind.WEIGHT)
        - allocator.liveBytesAtPeak(TensorKind.KEY_VALUE);
  }

  private static MemoryPart live(
      CachingAllocator allocator, TensorKind kind, String name, String explanation) {
    return part(ACTIVATIONS, name, allocator.liveBytesAtPeak(kind), explanation);
  }

  private static MemoryPart part(
      MemoryComponent component, String name, long bytes, String explanation) {
    return new MemoryPart(component, name, bytes, explanation);
  }
}
