package bora.converter;

import bora.converter.calibration.RoundedTensors;
import bora.converter.calibration.SequentialRounding;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.checkpoint.SourceTensor;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackWriter;
import bora.quantizer.FeedbackEncoder;
import bora.quantizer.FeedbackFactor;
import bora.quantizer.FoldedModel;
import bora.quantizer.OutputFeedback;
import bora.quantizer.TensorEncoder;
import bora.quantizer.WeightSource;
import bora.quantizer.calibration.Calibration;
import bora.quantizer.calibration.TensorsByReader;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;

/** Encodes tensors of a checkpoint into packs and hashes its files, on several threads. */
final class TensorConversion {
  /** Four times a panel of trellis codes as wide as a row of Mixtral 8x22B's w2. */
  private static final long HEAP_BYTES_PER_WORKER = 16L << 20;

  private final Checkpoint checkpoint;
  private final Optional<Calibration> calibration;
  private final SourceFiles sources;
  private final ConversionOutputs outputs;
  private final ProgressListener progress;

  /**
   * @param progress hears bytes of the checkpoint
   */
  TensorConversion(ConversionInput input, ConversionOutputs outputs, ProgressListener progress) {
    this.checkpoint = input.checkpoint();
    this.calibration = input.calibration();
    this.sources = input.sources();
    this.outputs = outputs;
    this.progress = progress;
  }

  /**
   * Encodes tensors into every output and hashes files of the checkpoint.
   *
   * @param threads at least 1; fewer work where the heap is too small for that many
   */
  void run(Set<TensorKey> tensors, List<Path> hashed, int threads) throws IOException {
    if (calibration.isPresent() && calibration.get().roundsInSequence()) {
      Queue<Workers.Task<Object>> hashing = new ArrayDeque<>();
      hashed.forEach(source -> hashing.add(_ -> hash(source)));
      Workers.run(threads, Object::new, hashing);
      for (ConversionOutput output : outputs.all()) {
        roundInSequence(output, tensors, threads);
      }
    } else if (calibration.isPresent()) {
      Workers.run(threads, FeedbackEncoder::new, feedbackTasks(calibration.get(), tensors, hashed));
    } else {
      // One at a time can write; so that meanwhile all the others compute.
      Workers.run(workers(threads + 1), TensorEncoder::new, tasks(tensors, hashed));
    }
  }

  /** Never more than the heap has room for. */
  private static int workers(int threads) {
    long fitting = Runtime.getRuntime().maxMemory() / HEAP_BYTES_PER_WORKER;
    return Math.clamp(fitting, 1, threads);
  }

  /**
   * File by file; of each the longest first, so that no thread is left alone with a long one at the
   * end.
   */
  private Queue<Workers.Task<TensorEncoder>> tasks(Set<TensorKey> wanted, List<Path> hashed) {
    Map<Path, List<SourceTensor>> tensors = new HashMap<>();
    for (TensorKey key : wanted) {
      SourceTensor tensor = checkpoint.tensor(key);
      tensors.computeIfAbsent(tensor.file(), _ -> new ArrayList<>()).add(tensor);
    }
    Queue<Workers.Task<TensorEncoder>> tasks = new ArrayDeque<>();
    for (Path source : checkpoint.sourceFiles()) {
      if (hashed.contains(source)) {
        tasks.add(encoder -> hash(source));
      }
      List<SourceTensor> inFile = tensors.getOrDefault(source, List.of());
      inFile.stream()
          .sorted(Comparator.comparingLong(SourceTensor::byteSize).reversed())
          .forEach(tensor -> tasks.add(encoder -> encode(tensor, encoder)));
    }
    return tasks;
  }

  private void hash(Path source) throws IOException {
    String name = source.getFileName().toString();
    Optional<String> recovered = outputs.recoverSource(name);
    String sha256;
    if (recovered.isPresent()) {
      sha256 = recovered.get();
      progress.advance(Files.size(source));
    } else {
      sha256 = checkpoint.sha256(source, progress);
    }
    outputs.recordSource(name, sha256);
    sources.recordHash(source, sha256);
  }

  private void encode(SourceTensor source, TensorEncoder encoder) throws IOException {
    TensorKey key = source.key();
    for (Map.Entry<Encoding, List<PackWriter>> needed : outputs.needing(key).entrySet()) {
      try (ConversionOutput.Sinks sinks = new ConversionOutput.Sinks(key, needed.getValue())) {
        encoder.encode(WeightSource.of(source), needed.getKey(), sinks::append);
      }
    }
    progress.advance(source.byteSize());
  }

  /** Tensors that read the same input go together, for they share its factor. */
  private Queue<Workers.Task<FeedbackEncoder>> feedbackTasks(
      Calibration moments, Set<TensorKey> wanted, List<Path> hashed) {
    FoldedModel model =
        new FoldedModel(
            checkpoint.config(), key -> WeightSource.of(checkpoint.tensor(key)), moments);
    Queue<Workers.Task<FeedbackEncoder>> tasks = new ArrayDeque<>();
    for (Path source : hashed) {
      tasks.add(encoder -> hash(source));
    }
    for (List<TensorKey> sharing : TensorsByReader.of(checkpoint.config())) {
      List<TensorKey> here = sharing.stream().filter(wanted::contains).toList();
      tasks.add(encoder -> encode(here, model, encoder));
    }
    return tasks;
  }

  private void encode(List<TensorKey> sharing, FoldedModel model, FeedbackEncoder encoder)
      throws IOException {
    FeedbackFactor factor = FeedbackFactor.identity(1);
    for (TensorKey key : sharing) {
      for (Map.Entry<Encoding, List<PackWriter>> needed : outputs.needing(key).entrySet()) {
        Encoding encoding = needed.getKey();
        boolean rounded = encoding != Encoding.F32 && encoding != Encoding.BF16;
        if (rounded && factor.columns() == 1) {
          factor = model.factor(key);
        }
        try (ConversionOutput.Sinks sinks = new ConversionOutput.Sinks(key, needed.getValue())) {
          OutputFeedback output = model.outputFeedback(key);
          encoder.encode(model.weights(key), encoding, factor, output, sinks::append);
        }
      }
      progress.advance(checkpoint.tensor(key).byteSize());
    }
  }

  private void roundInSequence(ConversionOutput output, Set<TensorKey> wanted, int threads)
      throws IOException {
    Set<TensorKey> missing = new HashSet<>();
    for (TensorKey key : wanted) {
      if (output.obtain(key)) {
        progress.advance(checkpoint.tensor(key).byteSize());
      } else {
        missing.add(key);
      }
    }
    RoundedTensors store =
        new RoundedTensors() {
          @Override
          public boolean has(TensorKey key) {
            return output.writer().has(key);
          }

          @Override
          public void load(TensorKey key, MemorySegment bytes) throws IOException {
            output.writer().read(key, bytes);
          }

          @Override
          public void accept(TensorKey key, EncodedTensor tensor) throws IOException {
            if (missing.contains(key)) {
              output.write(key, tensor.bytes());
              progress.advance(checkpoint.tensor(key).byteSize());
            }
          }
        };
    SequentialRounding.run(
        checkpoint, output.encodings(), calibration.orElseThrow(), missing, threads, store);
  }
}
