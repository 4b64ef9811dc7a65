package bora.converter;

import bora.formats.CorruptFileException;
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
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Turns a checkpoint into a pack as a plan says. Tensors stream from the mapped checkpoint to the
 * output, one a thread, a few panels of each in memory at a time; the source files are hashed
 * beside. The bytes do not depend on the number of threads.
 */
public final class Conversion {
  private static final int MAX_ATTACHMENT_BYTES = 256 << 20;

  private final Checkpoint checkpoint;
  private final QuantizationPlan plan;
  private final ProgressListener progress;
  private final Map<TensorKey, Encoding> encodings;
  private final Map<Path, String> sourceHashes = new ConcurrentHashMap<>();

  private Conversion(Checkpoint checkpoint, QuantizationPlan plan, ProgressListener progress) {
    this.checkpoint = checkpoint;
    this.plan = plan;
    this.progress = progress;
    this.encodings = plan.encodings();
  }

  /**
   * Converts. Until the pack is whole an older file under its name stays as it is.
   *
   * @param plan of this checkpoint
   * @param threads at least 1
   * @param progress hears bytes of the checkpoint, in all {@link #workBytes}
   * @throws CorruptFileException when the checkpoint turns out to be damaged
   * @throws IOException when the output cannot be written
   */
  public static void run(
      Checkpoint checkpoint,
      QuantizationPlan plan,
      Path out,
      int threads,
      ProgressListener progress)
      throws IOException {
    new Conversion(checkpoint, plan, progress).convert(out, threads);
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

  private void convert(Path out, int threads) throws IOException {
    SortedMap<String, ByteBuffer> attachments = readAttachments();
    SortedMap<String, Long> attachmentBytes = new TreeMap<>();
    attachments.forEach((name, bytes) -> attachmentBytes.put(name, (long) bytes.remaining()));
    PackLayout layout = plan.layout(attachmentBytes);
    try (PackWriter writer = PackWriter.create(out, layout)) {
      Workers.run(threads, TensorEncoder::new, tasks(writer));
      for (Map.Entry<String, ByteBuffer> attachment : attachments.entrySet()) {
        writer.attach(attachment.getKey(), attachment.getValue());
      }
      writer.finish(provenance());
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

  /** The longest first, so that no thread is left alone with a long one at the end. */
  private Queue<Workers.Task<TensorEncoder>> tasks(PackWriter writer) {
    List<TensorKey> keys = new ArrayList<>(checkpoint.config().tensors().keySet());
    keys.sort(Comparator.comparingLong((TensorKey k) -> -checkpoint.tensor(k).byteSize()));
    Queue<Workers.Task<TensorEncoder>> tasks = new ArrayDeque<>();
    for (Path source : checkpoint.sourceFiles()) {
      tasks.add(encoder -> sourceHashes.put(source, Sha256.of(source, progress)));
    }
    for (TensorKey key : keys) {
      tasks.add(encoder -> encode(key, encoder, writer));
    }
    return tasks;
  }

  private void encode(TensorKey key, TensorEncoder encoder, PackWriter writer) throws IOException {
    SourceTensor source = checkpoint.tensor(key);
    try (TensorSink sink = writer.tensor(key)) {
      encoder.encode(WeightSource.of(source), encodings.get(key), sink::append);
    }
    progress.advance(source.byteSize());
  }

  private Provenance provenance() throws IOException {
    List<Provenance.Source> sources = new ArrayList<>();
    for (Path file : checkpoint.sourceFiles()) {
      sources.add(
          new Provenance.Source(
              file.getFileName().toString(), Files.size(file), sourceHashes.get(file)));
    }
    return new Provenance(
        ToolVersion.current(),
        sources,
        plan.checkpoint(),
        plan.policy(),
        plan.sha256(),
        Optional.empty());
  }
}
