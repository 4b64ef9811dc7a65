package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import bora.runtime.kernel.ThreadEnd;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Function;

/**
 * Lets a tiny model generate, in the background, so that the virtual machine has loaded, linked and
 * compiled the way of a token before it is waited for. The model has the encodings of another one's
 * first layer, and weights that are all zero.
 */
final class WarmUp {
  /** So often that all that a token takes is compiled. */
  private static final int TOKENS = 200;

  /** In case that others have the processors. */
  private static final long MAX_NANOS = 150_000_000;

  private static final int PROMPT_TOKENS = 9;
  private static final int WIDTH = 64;

  private final ModelConfig config;
  private final Function<TensorKey, EncodedTensor> models;
  private final RuntimeOptions options;
  private final Thread thread;
  private volatile boolean closed;

  private WarmUp(
      ModelConfig config, Function<TensorKey, EncodedTensor> tensors, RuntimeOptions options) {
    this.config = tiny(config);
    this.models = tensors;
    this.options = options;
    // What goes wrong here will go wrong in earnest, where somebody hears of it.
    thread =
        Thread.ofPlatform()
            .daemon()
            .name("bora-warm-up")
            .uncaughtExceptionHandler((_, _) -> {})
            .unstarted(this::run);
  }

  /**
   * @param tensors of the model that it is for; only their encodings matter
   */
  static WarmUp start(
      ModelConfig config, Function<TensorKey, EncodedTensor> tensors, RuntimeOptions options) {
    WarmUp warmUp = new WarmUp(config, tensors, options);
    warmUp.thread.start();
    return warmUp;
  }

  private static ModelConfig tiny(ModelConfig config) {
    return new ModelConfig(
        config.architecture(),
        WIDTH,
        WIDTH,
        WIDTH,
        1,
        config.headCount() / config.kvHeadCount(),
        1,
        config.headDim(),
        config.expertCount(),
        config.expertsPerToken(),
        config.rmsNormEps(),
        config.ropeTheta(),
        OptionalInt.empty(),
        PROMPT_TOKENS + TOKENS,
        config.tiedEmbeddings(),
        OptionalInt.empty(),
        List.of());
  }

  private void run() {
    long end = System.nanoTime() + MAX_NANOS;
    try (Arena arena = Arena.ofShared()) {
      Map<TensorKey, EncodedTensor> tensors = new HashMap<>();
      config.tensors().forEach((key, shape) -> tensors.put(key, zero(arena, key, shape)));
      try (Model model = Model.of(config, tensors::get, options);
          Session session = model.newSession(PROMPT_TOKENS + TOKENS)) {
        new Generator(model, session, new Sampling.Greedy(1))
            .generate(new int[PROMPT_TOKENS], TOKENS, _ -> !closed && System.nanoTime() < end);
      }
    }
  }

  private EncodedTensor zero(Arena arena, TensorKey key, TensorShape shape) {
    Encoding encoding = models.apply(key).encoding();
    long bytes = encoding.encodedBytes(shape);
    return new EncodedTensor(encoding, shape, arena.allocate(bytes, Encoding.ALIGNMENT_BYTES));
  }

  /** Ends it, whatever it has done by then. */
  void close() {
    closed = true;
    await();
  }

  /** Returns when it has ended. */
  void await() {
    ThreadEnd.await(thread);
  }
}
