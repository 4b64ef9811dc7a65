package bora.converter.calibration;

import bora.converter.Workers;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import bora.quantizer.FeedbackEncoder;
import bora.quantizer.FeedbackFactor;
import bora.quantizer.OutputFeedback;
import bora.quantizer.WeightSource;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/** Some tensors encoded into native memory, where kernels can read them; freed when closed. */
final class NativeTensors implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final Map<TensorKey, EncodedTensor> tensors = new HashMap<>();
  private final Map<TensorKey, Double> losses = new ConcurrentHashMap<>();

  /** Room for a tensor's bytes, which the caller fills. */
  EncodedTensor allocate(TensorKey key, Encoding encoding, TensorShape shape) {
    MemorySegment bytes = arena.allocate(encoding.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
    EncodedTensor tensor = new EncodedTensor(encoding, shape, bytes);
    tensors.put(key, tensor);
    return tensor;
  }

  /** Encodes tensors as they are. */
  static NativeTensors exact(
      Collection<TensorKey> keys, TensorLookup<WeightSource> weights, int threads)
      throws IOException {
    Map<TensorKey, Encoding> encodings = new HashMap<>();
    for (TensorKey key : keys) {
      encodings.put(key, weights.of(key).exactEncoding());
    }
    return encode(
        keys,
        weights,
        encodings::get,
        key -> FeedbackFactor.identity(1),
        key -> OutputFeedback.NONE,
        threads);
  }

  /**
   * Encodes tensors with error feedback.
   *
   * @param factors by tensor, of what it reads
   * @param outputs by tensor, of its rows
   */
  static NativeTensors encode(
      Collection<TensorKey> keys,
      TensorLookup<WeightSource> weights,
      Function<TensorKey, Encoding> encodings,
      TensorLookup<FeedbackFactor> factors,
      TensorLookup<OutputFeedback> outputs,
      int threads)
      throws IOException {
    NativeTensors made = new NativeTensors();
    try {
      Queue<Workers.Task<FeedbackEncoder>> tasks = new ArrayDeque<>();
      for (TensorKey key : keys) {
        WeightSource source = weights.of(key);
        Encoding encoding = encodings.apply(key);
        MemorySegment bytes = made.allocate(key, encoding, source.shape()).bytes();
        tasks.add(
            encoder -> {
              long[] end = {0};
              double loss =
                  encoder.encode(
                      source,
                      encoding,
                      factors.of(key),
                      outputs.of(key),
                      chunk -> {
                        int length = chunk.remaining();
                        bytes.asSlice(end[0], length).copyFrom(MemorySegment.ofBuffer(chunk));
                        chunk.position(chunk.limit());
                        end[0] += length;
                      });
              made.losses.put(key, loss);
            });
      }
      Workers.run(threads, FeedbackEncoder::new, tasks);
      return made;
    } catch (IOException | RuntimeException e) {
      made.close();
      throw e;
    }
  }

  EncodedTensor tensor(TensorKey key) {
    EncodedTensor tensor = tensors.get(key);
    if (tensor == null) {
      throw new IllegalArgumentException("not among the tensors encoded: " + key);
    }
    return tensor;
  }

  /** The feedback loss of a tensor. */
  double loss(TensorKey key) {
    return losses.get(key);
  }

  @Override
  public void close() {
    arena.close();
  }
}
