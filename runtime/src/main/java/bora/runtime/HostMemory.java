package bora.runtime;

import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * What memory a process has resident that runs a pack on the CPU, in bytes: predicted from the
 * pack's parts. {@code docs/memory.md} ("On the CPU") has the formulas and what was measured.
 *
 * @param weights the pack's tensors, every page of them read
 * @param kvCache keys and values of a session
 * @param scratch what a session holds besides, and the threads' kernels
 * @param freshHeap where the virtual machine puts new objects: it moves on through all of this
 *     before it collects garbage
 * @param virtualMachine its own code, data and threads: measured, the same for every pack
 */
public record HostMemory(
    long weights, long kvCache, long scratch, long freshHeap, long virtualMachine) {
  private static final Path STATUS = Path.of("/proc/self/status");

  /** Java 25 with what bora loads and compiles, less all the other parts; on Linux, x86-64. */
  private static final long VIRTUAL_MACHINE_BYTES = 75_000_000;

  /** What the second compiler takes besides, where the virtual machine was not started without. */
  private static final long SECOND_COMPILER_BYTES = 20_000_000;

  /** Of so many tokens at once the kernels copy activations. */
  static final int COPIED_TOKENS = 256;

  /**
   * Predicts.
   *
   * @param weightBytes of all tensors, as encoded
   * @param contextTokens of the one session
   * @param threads that compute
   * @param freshHeapBytes where the virtual machine puts new objects
   */
  public static HostMemory predict(
      ModelConfig config,
      long weightBytes,
      KvCacheType cacheType,
      int contextTokens,
      int threads,
      long freshHeapBytes) {
    int maxBatch = Math.min(Session.MAX_BATCH, contextTokens);
    return new HostMemory(
        weightBytes,
        kvCacheBytes(config, cacheType, contextTokens, maxBatch),
        Float.BYTES * (scratchFloats(config, maxBatch) + threads * threadFloats(config, maxBatch)),
        freshHeapBytes,
        virtualMachineBytes());
  }

  private static long virtualMachineBytes() {
    boolean quickCompilerAlone = System.getProperty("java.vm.info", "").contains("emulated-client");
    return VIRTUAL_MACHINE_BYTES + (quickCompilerAlone ? 0 : SECOND_COMPILER_BYTES);
  }

  private static long kvCacheBytes(
      ModelConfig config, KvCacheType cacheType, int contextTokens, int maxBatch) {
    long numbers =
        2L
            * config.layerCount()
            * config.kvWidth()
            * KvCache.slots(config, contextTokens, maxBatch);
    return numbers * cacheType.format().bytes();
  }

  /** Of {@link DecoderLayer} and {@link FeedForward}, whose integers are as large as floats. */
  private static long scratchFloats(ModelConfig config, int maxBatch) {
    long hidden = config.hiddenSize();
    long chosen = config.expertsPerToken();
    long attention =
        2 * hidden + 2L * config.queryWidth() + 2L * config.kvWidth() + config.headDim() + 1;
    long feedForward =
        2L * config.intermediateSize() + 2 * chosen * hidden + config.expertCount() + 4 * chosen;
    return maxBatch * (attention + feedForward) + config.vocabSize();
  }

  /** Of {@link Attention}, and the kernels' copy of what they multiply. */
  private static long threadFloats(ModelConfig config, int maxBatch) {
    long rows = (long) Attention.TOKENS_PER_TILE * config.headCount() / config.kvHeadCount();
    long widest = Math.max(config.intermediateSize(), config.hiddenSize());
    return rows * (2L * config.headDim() + KvCache.RUN_SLOTS + 2)
        + Math.min(maxBatch, COPIED_TOKENS) * widest;
  }

  public long total() {
    return weights + kvCache + scratch + freshHeap + virtualMachine;
  }

  /** What this process has resident, as Linux counts it; empty elsewhere. */
  public static OptionalLong residentBytes() {
    try (Stream<String> lines = Files.lines(STATUS)) {
      return lines
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
          .findFirst();
    } catch (IOException e) {
      return OptionalLong.empty();
    }
  }
}
