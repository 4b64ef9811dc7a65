package bora.converter;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.ProgressListener;
import bora.formats.Sha256;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.checkpoint.SourceTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackLayout;
import bora.formats.pack.PackWriter;
import bora.formats.pack.Provenance;
import bora.formats.pack.TensorSink;
import bora.quantizer.FeedbackEncoder;
import bora.quantizer.FeedbackFactor;
import bora.quantizer.FoldedModel;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.TensorEncoder;
import bora.quantizer.WeightSource;
import bora.quantizer.calibration.Calibration;
import bora.quantizer.calibration.MomentsSource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Turns a checkpoint into a pack as a plan says. Tensors stream from the mapped checkpoint to the
 * output, one a thread, a few panels of each in memory at a time; each source file is hashed while
 * its tensors are encoded, so that a disk has to give it once. The bytes do not depend on the
 * number of threads, nor on how often the conversion was interrupted and resumed.
 *
 * <p>With a calibration, channels are evened out first and every matrix is rounded with error
 * feedback. A thread then holds the moments and the factor of one input, 12 bytes a pair of its
 * columns at most, which all tensors that read this input share.
 */
public final class Conversion {
  private static final int MAX_ATTACHMENT_BYTES = 256 << 20;

  /** A group of panels as wide as a row of Mixtral 8x22B's w2, and as much again. */
  private static final long HEAP_BYTES_PER_WORKER = 16L << 20;

  /** What to do with what an interrupted conversion left beside the output. */
  public enum Leftover {
    /** Begin anew; what this conversion does not finish is removed, unless it is killed. */
    DISCARD,
    /**
     * Continue it, if it was this conversion; what is not finished stays for another resumption.
     */
    RESUME
  }

  private final Checkpoint checkpoint;
  private final QuantizationPlan plan;
  private final Optional<Calibration> calibration;
  private final ProgressListener progress;
  private final Map<TensorKey, Encoding> encodings;
  private final SourceFiles sources;
  private final Map<Path, String> sourceHashes = new ConcurrentHashMap<>();

  private Conversion(
      Checkpoint checkpoint,
      QuantizationPlan plan,
      Optional<Calibration> calibration,
      ProgressListener progress)
      throws IOException {
    this.checkpoint = checkpoint;
    this.plan = plan;
    this.calibration = calibration;
    this.progress = progress;
    this.encodings = plan.encodings();
    this.sources = SourceFiles.of(checkpoint);
  }

  /**
   * Converts. Until the pack is whole an older file under its name stays as it is.
   *
   * @param plan of this checkpoint
   * @param calibration of this checkpoint; without one weights are rounded to the nearest
   * @param threads at least 1; fewer work where the heap is too small for that many
   * @param progress hears bytes of the checkpoint, in all {@link #workBytes}
   * @throws CorruptFileException when the checkpoint turns out to be damaged
   * @throws bora.formats.MismatchedArtifactException when what is to be resumed is another
   *     conversion, or of files that have changed since
   * @throws IOException when the output cannot be written, or the checkpoint changes meanwhile
   */
  public static void run(
      Checkpoint checkpoint,
      QuantizationPlan plan,
      Optional<Calibration> calibration,
      Path out,
      int threads,
      Leftover leftover,
      ProgressListener progress)
      throws IOException {
    new Conversion(checkpoint, plan, calibration, progress).convert(out, threads, leftover);
  }

  /** Converts anew and without a calibration. */
  public static void run(
      Checkpoint checkpoint,
      QuantizationPlan plan,
      Path out,
      int threads,
      ProgressListener progress)
      throws IOException {
    run(checkpoint, plan, Optional.empty(), out, threads, Leftover.DISCARD, progress);
  }

  /** What {@link #run} has to do, in bytes: each weight is encoded, each source file hashed. */
  public static long workBytes(Checkpoint checkpoint) throws IOException {
    long bytes = 0;
    for (TensorKey key : checkpoint.config().tensors().keySet()) {
      bytes += checkpoint.tensor(key).byteSize();
    }
    for (Path source : checkpoint.sourceFiles()) {
      bytes += Files.size(source);
    }
    return bytes;
  }

  private void convert(Path out, int threads, Leftover leftover) throws IOException {
    SortedMap<String, ByteBuffer> attachments = readAttachments();
    SortedMap<String, Long> attachmentBytes = new TreeMap<>();
    attachments.forEach((name, bytes) -> attachmentBytes.put(name, (long) bytes.remaining()));
    PackLayout layout = plan.layout(attachmentBytes);
    try (PackWriter writer = open(out, layout, leftover);
        OnShutdown _ = OnShutdown.run(() -> discard(writer))) {
      if (calibration.isPresent()) {
        Workers.run(threads, FeedbackEncoder::new, feedbackTasks(writer, calibration.get()));
      } else {
        Workers.run(workers(threads), TensorEncoder::new, tasks(writer));
      }
      for (Map.Entry<String, ByteBuffer> attachment : attachments.entrySet()) {
        writer.attach(attachment.getKey(), attachment.getValue());
      }
      sources.requireUnchanged();
      writer.finish(provenance());
    } catch (InternalError e) {
      if (MappedFile.isFault(e)) {
        throw sources.unreadable(e);
      }
      throw e;
    }
  }

  /** Never more than the heap has room for. */
  private static int workers(int threads) {
    long fitting = Runtime.getRuntime().maxMemory() / HEAP_BYTES_PER_WORKER;
    return Math.clamp(fitting, 1, threads);
  }

  private PackWriter open(Path out, PackLayout layout, Leftover leftover) throws IOException {
    String work =
        String.join(
            "\n",
            ToolVersion.current(),
            plan.sha256(),
            plan.checkpoint(),
            calibration.map(Calibration::sha256).orElse(""),
            sources.describe());
    return switch (leftover) {
      case DISCARD -> PackWriter.create(out, layout, work);
      case RESUME -> PackWriter.resume(out, layout, work);
    };
  }

  /** The process ends: there is nobody left to tell of a failure. */
  private static void discard(PackWriter writer) {
    try {
      writer.discard();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private SortedMap<String, ByteBuffer> readAttachments() throws IOException {
    SortedMap<String, ByteBuffer> attachments = new TreeMap<>();
    for (Path file : checkpoint.attachmentFiles()) {
      long bytes = Files.size(file);
      if (bytes > MAX_ATTACHMENT_BYTES) {
        throw new CorruptFileException(
            file, "expected at most " + MAX_ATTACHMENT_BYTES + " bytes, found " + bytes);
      }
      attachments.put(file.getFileName().toString(), ByteBuffer.wrap(Files.readAllBytes(file)));
    }
    return attachments;
  }

  /**
   * File by file; of each the longest first, so that no thread is left alone with a long one at the
   * end.
   */
  private Queue<Workers.Task<TensorEncoder>> tasks(PackWriter writer) {
    Map<Path, List<SourceTensor>> tensors = new HashMap<>();
    for (TensorKey key : checkpoint.config().tensors().keySet()) {
      SourceTensor tensor = checkpoint.tensor(key);
      tensors.computeIfAbsent(tensor.file(), _ -> new ArrayList<>()).add(tensor);
    }
    Queue<Workers.Task<TensorEncoder>> tasks = new ArrayDeque<>();
    for (Path source : sources.files()) {
      tasks.add(encoder -> hash(source, writer));
      List<SourceTensor> inFile = tensors.getOrDefault(source, List.of());
      inFile.stream()
          .sorted(Comparator.comparingLong(SourceTensor::byteSize).reversed())
          .forEach(tensor -> tasks.add(encoder -> encode(tensor, encoder, writer)));
    }
    return tasks;
  }

  private void hash(Path source, PackWriter writer) throws IOException {
    String name = source.getFileName().toString();
    Optional<String> known = writer.recoverSource(name);
    if (known.isPresent()) {
      sourceHashes.put(source, known.get());
      progress.advance(Files.size(source));
      return;
    }
    String sha256 = Sha256.of(source, progress);
    writer.recordSource(name, sha256);
    sourceHashes.put(source, sha256);
  }

  private void encode(SourceTensor source, TensorEncoder encoder, PackWriter writer)
      throws IOException {
    TensorKey key = source.key();
    if (!writer.recover(key)) {
      try (TensorSink sink = writer.tensor(key)) {
        encoder.encode(WeightSource.of(source), encodings.get(key), sink::append);
      }
    }
    progress.advance(source.byteSize());
  }

  /** Tensors that read the same input go together, for they share its factor. */
  private Queue<Workers.Task<FeedbackEncoder>> feedbackTasks(PackWriter writer, Calibration known) {
    FoldedModel model =
        new FoldedModel(checkpoint.config(), key -> WeightSource.of(checkpoint.tensor(key)), known);
    Queue<Workers.Task<FeedbackEncoder>> tasks = new ArrayDeque<>();
    for (Path source : sources.files()) {
      tasks.add(encoder -> hash(source, writer));
    }
    for (List<TensorKey> sharing : keysByReader(checkpoint.config())) {
      tasks.add(encoder -> encode(sharing, model, encoder, writer));
    }
    return tasks;
  }

  private void encode(
      List<TensorKey> sharing, FoldedModel model, FeedbackEncoder encoder, PackWriter writer)
      throws IOException {
    FeedbackFactor factor = FeedbackFactor.identity(1);
    for (TensorKey key : sharing) {
      if (!writer.recover(key)) {
        Encoding encoding = encodings.get(key);
        boolean rounded = encoding != Encoding.F32 && encoding != Encoding.BF16;
        if (rounded && factor.columns() == 1) {
          factor = model.factor(key);
        }
        try (TensorSink sink = writer.tensor(key)) {
          encoder.encode(model.weights(key), encoding, factor, sink::append);
        }
      }
      progress.advance(checkpoint.tensor(key).byteSize());
    }
  }

  /**
   * The tensors of a model, those that read the same input together; the most work first, so that
   * no thread is left alone with it at the end.
   */
  public static List<List<TensorKey>> keysByReader(ModelConfig config) {
    Map<TensorKey, List<TensorKey>> byReader = new LinkedHashMap<>();
    Map<TensorKey, Long> work = new LinkedHashMap<>();
    config
        .tensors()
        .forEach(
            (key, shape) -> {
              TensorKey reader = MomentsSource.readerOf(key);
              byReader.computeIfAbsent(reader, any -> new ArrayList<>()).add(key);
              work.merge(reader, shape.elementCount() * shape.columns(), Long::sum);
            });
    List<TensorKey> readers = new ArrayList<>(byReader.keySet());
    readers.sort(Comparator.comparingLong(reader -> -work.get(reader)));
    return readers.stream().map(byReader::get).toList();
  }

  /** The provenance that a conversion would write, but for the hashes, which it does not know. */
  public static Provenance expectedProvenance(
      Checkpoint checkpoint, String planName, boolean calibrated) throws IOException {
    String hash = "0".repeat(64);
    List<Provenance.Source> sources = new ArrayList<>();
    for (Path file : checkpoint.sourceFiles()) {
      sources.add(new Provenance.Source(file.getFileName().toString(), Files.size(file), hash));
    }
    return new Provenance(
        ToolVersion.current(),
        sources,
        hash,
        planName,
        hash,
        calibrated ? Optional.of(hash) : Optional.empty());
  }

  private Provenance provenance() throws IOException {
    List<Provenance.Source> hashed = new ArrayList<>();
    for (Path file : sources.files()) {
      hashed.add(
          new Provenance.Source(
              file.getFileName().toString(), Files.size(file), sourceHashes.get(file)));
    }
    return new Provenance(
        ToolVersion.current(),
        hashed,
        plan.checkpoint(),
        plan.policy(),
        plan.sha256(),
        calibration.map(Calibration::sha256));
  }
}
