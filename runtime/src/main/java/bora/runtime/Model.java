package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackReader;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;
import bora.runtime.machine.MachineCode;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/**
 * A model ready to run: its weights where they lie in the pack, and the threads that compute. May
 * be shared between threads; its {@linkplain Session sessions} may not.
 */
public final class Model implements AutoCloseable {
  private final ModelConfig config;
  private final ModelWeights weights;
  private final Kernels kernels;
  private final Activations activations;
  private final Optional<String> withoutMachineCode;
  private final WorkerPool pool;
  private final Object turn = new Object();
  private final Optional<PagePopulation> population;
  private final Function<TensorKey, EncodedTensor> tensors;
  private final RuntimeOptions options;
  private volatile Optional<WarmUp> warmUp = Optional.empty();

  /** Those that nobody has closed. */
  private final Set<Session> sessions = new HashSet<>();

  private boolean closed;

  private Model(
      ModelConfig config,
      Function<TensorKey, EncodedTensor> tensors,
      RuntimeOptions options,
      List<MemorySegment> mapped) {
    this.config = config;
    this.tensors = tensors;
    this.options = options;
    this.weights = ModelWeights.of(config, tensors);
    this.kernels = kernels(options);
    this.activations = options.activations();
    this.withoutMachineCode =
        options.kernels() == KernelChoice.AUTO ? MachineCode.unsupportedReason() : Optional.empty();
    this.pool = new WorkerPool(options.threads());
    this.population =
        mapped.isEmpty() ? Optional.empty() : Optional.of(PagePopulation.start(mapped));
  }

  /**
   * The kernels that the options ask for.
   *
   * @throws UnsupportedOperationException when these are vector kernels and cannot run here
   * @throws NoMachineCodeException when there is no choice but machine code, which cannot run here
   */
  static Kernels kernels(RuntimeOptions options) {
    Kernels kernels =
        switch (options.kernels()) {
          case AUTO -> fastest();
          case PORTABLE -> Kernels.portable();
          case SCALAR -> Kernels.scalar();
          case VECTOR -> Kernels.vector();
        };
    return switch (options.activations()) {
      case F32 -> kernels;
      case INT8 -> kernels.roundingActivations();
    };
  }

  private static Kernels fastest() {
    if (MachineCode.isRequired()) {
      MachineCode.unsupportedReason()
          .ifPresent(
              reason -> {
                throw new NoMachineCodeException(reason);
              });
    }
    return Kernels.fastest();
  }

  /**
   * Opens a model over a pack.
   *
   * @param pack stays the caller's, who closes it after the model
   * @throws UnsupportedOperationException when vector kernels are asked for and cannot run here
   * @throws NoMachineCodeException when this virtual machine was started for machine code, and it
   *     cannot run here
   */
  public static Model open(PackReader pack, RuntimeOptions options) {
    List<MemorySegment> mapped = new ArrayList<>();
    for (TensorKey key : pack.config().tensors().keySet()) {
      mapped.add(pack.tensor(key).bytes());
    }
    return new Model(pack.config(), pack::tensor, options, mapped);
  }

  /**
   * Opens a model over tensors from anywhere.
   *
   * @param tensors gives every tensor of {@link ModelConfig#tensors()}, matrices in native memory,
   *     which stays the caller's and outlives the model
   * @throws UnsupportedOperationException when vector kernels are asked for and cannot run here
   */
  public static Model of(
      ModelConfig config, Function<TensorKey, EncodedTensor> tensors, RuntimeOptions options) {
    return new Model(config, tensors, options, List.of());
  }

  public ModelConfig config() {
    return config;
  }

  /**
   * What computes, for reports: e.g. {@code machine code, f32 activations, 2 threads}. Where
   * machine code could have been used and was not, it says why.
   */
  public String kernels() {
    int threads = pool.threads();
    return kernels.description()
        + withoutMachineCode.map(reason -> " (no machine code: " + reason + ")").orElse("")
        + ", "
        + activations.label()
        + " activations, "
        + threads
        + (threads == 1 ? " thread" : " threads");
  }

  /**
   * Makes an empty session, which the caller closes when it is no longer needed; one that is left
   * open is closed with the model.
   *
   * @param contextTokens the most tokens it takes; not limited by {@code maxPositionEmbeddings},
   *     beyond which a model is merely untrained
   * @throws IllegalArgumentException when that is no positive number
   * @throws IllegalStateException when the model is closed
   * @throws ContextTooLargeException when keys and values of so many cannot be held
   */
  public Session newSession(int contextTokens) {
    return newSession(contextTokens, KvCacheType.F32);
  }

  /**
   * Makes an empty session, as {@link #newSession(int)}.
   *
   * @param cacheType how it keeps keys and values
   */
  public Session newSession(int contextTokens, KvCacheType cacheType) {
    return newSession(contextTokens, cacheType, Session.MAX_BATCH);
  }

  /**
   * @param maxBatch the most tokens of a prefill that go through the layers together
   */
  Session newSession(int contextTokens, KvCacheType cacheType, int maxBatch) {
    synchronized (turn) {
      checkOpen();
      Session session = new Session(this, contextTokens, cacheType, maxBatch);
      sessions.add(session);
      return session;
    }
  }

  /** Under {@link #turn}, when a session has been closed. */
  void forget(Session session) {
    sessions.remove(session);
  }

  /**
   * Gets the virtual machine ready for {@linkplain Generator generating}, in the background, while
   * the caller does what else has to be done before: the first tokens then come as fast as all
   * others. Does nothing for kernels that have to be compiled, which takes seconds.
   */
  public void warmUp() {
    if (options.kernels() == KernelChoice.AUTO && withoutMachineCode.isEmpty()) {
      synchronized (turn) {
        if (warmUp.isEmpty()) {
          warmUp = Optional.of(WarmUp.start(config, tensors, options));
        }
      }
    }
  }

  /** Waits until the warm-up has ended, if there is one. */
  void awaitWarmUp() {
    warmUp.ifPresent(WarmUp::await);
  }

  /** Ends the threads, after the step that one of them may be in, and closes all sessions. */
  @Override
  public void close() {
    synchronized (turn) {
      closed = true;
      warmUp.ifPresent(WarmUp::close);
      population.ifPresent(PagePopulation::close);
      pool.close();
      List.copyOf(sessions).forEach(Session::close);
    }
  }

  /** Waits until the weights are mapped as far as they are mapped ahead. */
  void awaitPopulation() {
    population.ifPresent(PagePopulation::await);
  }

  ForwardPass newForwardPass(int contextTokens, KvCacheType cacheType, int maxBatch) {
    return new ForwardPass(kernels, pool, config, weights, cacheType, contextTokens, maxBatch);
  }

  /** The monitor under which sessions run, since they share the threads. */
  Object turn() {
    return turn;
  }

  /**
   * @throws IllegalStateException when the model is closed; to be called under {@link #turn}
   */
  void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the model is closed");
    }
  }
}
