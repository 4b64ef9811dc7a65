package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackReader;
import bora.runtime.kernel.MemorySum;
import bora.runtime.kernel.WorkerPool;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Measures a pack on this machine: decode, prefill, and what reading alone takes in the same
 * process. Each figure is a median after a warm-up, and a ratio that of works done one behind the
 * other: so that a memory that delivers less for a while slows both and not the ratio.
 */
public final class PackBenchmark {
  private static final int PROMPT_TOKENS = 512;

  /** In a turn. */
  private static final int DECODED_TOKENS = 8;

  private static final int ROUNDS = 5;

  /** In a round: of reading and decoding, which are short beside a prompt. */
  private static final int TURNS = 4;

  /** Long enough that the compiler is done with the kernels. */
  private static final long WARM_UP_NANOS = 3_000_000_000L;

  private final PackReader pack;
  private final Model model;
  private final int threads;
  private final int farTokens;
  private final KvCacheType cacheType;

  /** Keeps the compiler from finding that nobody wants the sums. */
  private volatile long consumed;

  /**
   * What was measured.
   *
   * @param decodeTokensPerSecond tokens decoded one after the other, from the first
   * @param shareOfReading how fast decode reads, of how fast reading alone does
   * @param farDecodeTokensPerSecond decoded behind a context of {@code farTokens}
   * @param farSlowdown how many times as long as without it
   * @param farTokens length of that context
   * @param weightBytesPerToken encoded bytes that one decoded token reads
   * @param prefillTokensPerSecond tokens of one prompt
   * @param prefillTokens length of that prompt
   * @param readGigabytesPerSecond reading all weights with all threads and only summing them
   * @param predictedMemory of this process with one session of that context, a prompt and the
   *     tokens decoded behind it
   * @param residentBytes what it then had; empty where the system does not tell
   */
  public record Result(
      double decodeTokensPerSecond,
      double shareOfReading,
      double farDecodeTokensPerSecond,
      double farSlowdown,
      int farTokens,
      long weightBytesPerToken,
      double prefillTokensPerSecond,
      int prefillTokens,
      double readGigabytesPerSecond,
      HostMemory predictedMemory,
      OptionalLong residentBytes) {
    /** 10^9 bytes of weights a second that decode reads. */
    public double decodeGigabytesPerSecond() {
      return decodeTokensPerSecond * weightBytesPerToken * 1e-9;
    }
  }

  private PackBenchmark(
      PackReader pack, Model model, int threads, int farTokens, KvCacheType cacheType) {
    this.pack = pack;
    this.model = model;
    this.threads = threads;
    this.farTokens = farTokens;
    this.cacheType = cacheType;
  }

  /**
   * @param model of the pack
   * @param threads of the model, used for reading too
   * @param farTokens the longer context behind which decode is measured, at least 0
   * @param cacheType of the sessions
   */
  public static Result run(
      PackReader pack, Model model, int threads, int farTokens, KvCacheType cacheType) {
    return new PackBenchmark(pack, model, threads, farTokens, cacheType).run();
  }

  private Result run() {
    int promptTokens = Math.min(PROMPT_TOKENS, model.config().maxPositionEmbeddings());
    int[] prompt = randomTokens(promptTokens);
    int decodedTokens = Math.min(DECODED_TOKENS, promptTokens);
    int[] decoded = Arrays.copyOf(prompt, decodedTokens);

    // First, while the process holds nothing else: what it takes is looked at behind it.
    int farContext = Math.addExact(Math.max(farTokens, promptTokens), decodedTokens);
    HostMemory predicted =
        HostMemory.predict(
            model.config(),
            pack.manifest().weightBytes(),
            cacheType,
            farContext,
            threads,
            freshHeapBytes());
    try (Session far = model.newSession(farContext, cacheType)) {
      far.fillCache();
      far.prefill(prompt, ForwardObserver.NONE);
      Runnable farDecode = () -> decode(far, decoded, farTokens);
      warmUp(farDecode);
      model.awaitPopulation();
      return measure(prompt, decoded, farDecode, predicted, HostMemory.residentBytes());
    }
  }

  private Result measure(
      int[] prompt,
      int[] decoded,
      Runnable farDecode,
      HostMemory predicted,
      OptionalLong residentBytes) {
    List<MemorySegment> tensors = tensors();
    long readBytes = tensors.stream().mapToLong(MemorySegment::byteSize).sum();
    long decodedBytes = weightBytesPerToken() * decoded.length;
    int passes = (int) Math.max(1, decodedBytes / readBytes);
    try (Session prefill = model.newSession(prompt.length, cacheType);
        Session near = model.newSession(decoded.length, cacheType);
        WorkerPool pool = new WorkerPool(threads)) {
      Runnable nearDecode = () -> decode(near, decoded, 0);
      Runnable prompting =
          () -> {
            prefill.reset();
            prefill.prefill(prompt, ForwardObserver.NONE);
          };
      Runnable reading = () -> readAll(pool, tensors, passes);
      warmUp(nearDecode);
      warmUp(prompting);
      warmUp(reading);
      Seconds seconds = takeTurns(reading, nearDecode, farDecode, prompting);
      return new Result(
          decoded.length / median(seconds.near),
          median(ratios(seconds.reading, seconds.near))
              * decodedBytes
              / ((double) readBytes * passes),
          decoded.length / median(seconds.far),
          median(ratios(seconds.far, seconds.near)),
          farTokens,
          weightBytesPerToken(),
          prompt.length / median(seconds.prompting),
          prompt.length,
          (double) readBytes * passes * 1e-9 / median(seconds.reading),
          predicted,
          residentBytes);
    }
  }

  /** What each turn, and each prompt, took. */
  private record Seconds(double[] reading, double[] near, double[] far, double[] prompting) {}

  private static Seconds takeTurns(
      Runnable reading, Runnable nearDecode, Runnable farDecode, Runnable prompting) {
    int turns = ROUNDS * TURNS;
    Seconds all =
        new Seconds(new double[turns], new double[turns], new double[turns], new double[ROUNDS]);
    for (int round = 0; round < ROUNDS; round++) {
      for (int turn = round * TURNS; turn < (round + 1) * TURNS; turn++) {
        all.reading[turn] = seconds(reading);
        all.near[turn] = seconds(nearDecode);
        all.far[turn] = seconds(farDecode);
      }
      all.prompting[round] = seconds(prompting);
    }
    return all;
  }

  /** The most that the part of the heap may take where objects begin. */
  private static long freshHeapBytes() {
    return ManagementFactory.getMemoryPoolMXBeans().stream()
        .filter(pool -> pool.getName().contains("Eden"))
        .map(MemoryPoolMXBean::getUsage)
        .mapToLong(usage -> usage.getMax() >= 0 ? usage.getMax() : usage.getCommitted())
        .sum();
  }

  /** What the cache holds up to the context does not change the time. */
  private static void decode(Session session, int[] tokens, int contextTokens) {
    session.skipTo(contextTokens);
    for (int token : tokens) {
      session.decode(token, ForwardObserver.NONE);
    }
  }

  private int[] randomTokens(int count) {
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(1);
    return random.ints(count, 0, model.config().vocabSize()).toArray();
  }

  /** Every matrix once, of the embedding one row, of the experts those that a token takes. */
  private long weightBytesPerToken() {
    ModelConfig config = model.config();
    long bytes = 0;
    long expertBytes = 0;
    for (TensorKey key : config.tensors().keySet()) {
      EncodedTensor tensor = pack.tensor(key);
      long size = tensor.bytes().byteSize();
      if (key.role().scope() == TensorRole.Scope.EXPERT) {
        expertBytes += size;
      } else if (key.role() != TensorRole.EMBEDDING || config.tiedEmbeddings()) {
        bytes += size;
      }
    }
    return bytes + expertBytes / config.expertCount() * config.expertsPerToken();
  }

  private List<MemorySegment> tensors() {
    return model.config().tensors().keySet().stream().map(key -> pack.tensor(key).bytes()).toList();
  }

  private void readAll(WorkerPool pool, List<MemorySegment> tensors, int passes) {
    pool.forEachRange(
        threads,
        (start, end) -> {
          long sum = 0;
          for (int pass = 0; pass < passes; pass++) {
            for (MemorySegment tensor : tensors) {
              long from = tensor.byteSize() * start / threads;
              sum += MemorySum.of(tensor.asSlice(from, tensor.byteSize() * end / threads - from));
            }
          }
          consumed = sum;
        });
  }

  private static void warmUp(Runnable work) {
    long start = System.nanoTime();
    do {
      work.run();
    } while (System.nanoTime() - start < WARM_UP_NANOS);
  }

  private static double seconds(Runnable work) {
    long begin = System.nanoTime();
    work.run();
    return (System.nanoTime() - begin) * 1e-9;
  }

  private static double[] ratios(double[] a, double[] b) {
    double[] ratios = new double[a.length];
    Arrays.setAll(ratios, i -> a[i] / b[i]);
    return ratios;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
