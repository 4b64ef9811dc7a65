package bora.converter;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.ProgressListener;
import bora.formats.Sha256;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.checkpoint.SourceTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackLayout;
import bora.formats.pack.PackWriter;
import bora.formats.pack.Provenance;
import bora.formats.pack.TensorSink;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.TensorEncoder;
import bora.quantizer.WeightSource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
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
 */
public final class Conversion {
  private static final int MAX_ATTACHMENT_BYTES = 256 << 20;

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
  private final ProgressListener progress;
  private final Map<TensorKey, Encoding> encodings;
  private final SourceFiles sources;
  private final Map<Path, String> sourceHashes = new ConcurrentHashMap<>();

  private Conversion(Checkpoint checkpoint, QuantizationPlan plan, ProgressListener progress)
      throws IOException {
    this.checkpoint = checkpoint;
    this.plan = plan;
    this.progress = progress;
    this.encodings = plan.encodings();
    this.sources = SourceFiles.of(checkpoint);
  }

  /**
   * Converts. Until the pack is whole an older file under its name stays as it is.
   *
   * @param plan of this checkpoint
   * @param threads at least 1
   * @param progress hears bytes of the checkpoint, in all {@link #workBytes}
   * @throws CorruptFileException when the checkpoint turns out to be damaged
   * @throws bora.formats.MismatchedArtifactException when what is to be resumed is another
   *     conversion, or of files that have changed since
   * @throws IOException when the output cannot be written, or the checkpoint changes meanwhile
   */
  public static void run(
      Checkpoint checkpoint,
      QuantizationPlan plan,
      Path out,
      int threads,
      Leftover leftover,
      ProgressListener progress)
      throws IOException {
    new Conversion(checkpoint, plan, progress).convert(out, threads, leftover);
  }

  /** Converts anew. */
  public static void run(
      Checkpoint checkpoint,
      QuantizationPlan plan,
      Path out,
      int threads,
      ProgressListener progress)
      throws IOException {
    run(checkpoint, plan, out, threads, Leftover.DISCARD, progress);
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
      Workers.run(threads, TensorEncoder::new, tasks(writer));
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

  private PackWriter open(Path out, PackLayout layout, Leftover leftover) throws IOException {
    String work =
        String.join(
            "\n", ToolVersion.current(), plan.sha256(), plan.checkpoint(), sources.describe());
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
        Optional.empty());
  }
}
