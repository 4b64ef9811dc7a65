package bora.converter;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.MismatchedArtifactException;
import bora.formats.OnShutdown;
import bora.formats.ProgressListener;
import bora.formats.SmallFile;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.LayoutPart;
import bora.formats.pack.PackLayout;
import bora.formats.pack.PackParts;
import bora.formats.pack.PackReader;
import bora.formats.pack.PackWriter;
import bora.formats.pack.Provenance;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.calibration.Calibration;
import bora.quantizer.calibration.MomentsSource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Turns a checkpoint into a pack as a plan says. Tensors stream from the mapped checkpoint to the
 * output, one a thread, a few panels of each in memory at a time; each source file is hashed while
 * its tensors are encoded, so that a disk has to give it once. The bytes do not depend on the
 * number of threads, nor on how often the conversion was interrupted and resumed.
 *
 * <p>With a calibration, channels are evened out first and every matrix is rounded with error
 * feedback. Where the calibration has windows of tokens that is done by {@link
 * bora.converter.calibration.SequentialRounding}, one pack after the other, which needs far more
 * memory and time. Else a thread holds the moments and the factor of one input, 12 bytes a pair of
 * its columns at most, which all tensors that read this input share.
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

  /** A pack to make. */
  public record Target(QuantizationPlan plan, Path out) {}

  private final Checkpoint checkpoint;
  private final Optional<Calibration> calibration;
  private final EncodedTensors known;
  private final SourceFiles sources;
  private final List<ConversionOutput> outputs = new CopyOnWriteArrayList<>();
  private final TensorConversion tensors;

  private Conversion(
      Checkpoint checkpoint,
      Optional<Calibration> calibration,
      EncodedTensors known,
      ProgressListener progress)
      throws IOException {
    this.checkpoint = checkpoint;
    this.calibration = calibration;
    this.known = known;
    this.sources = SourceFiles.of(checkpoint);
    this.tensors = new TensorConversion(checkpoint, calibration, known, outputs, progress);
  }

  /**
   * Converts to several packs, reading the checkpoint once: what they encode alike is encoded once.
   * Until a pack is whole an older file under its name stays as it is.
   *
   * @param targets plans of this checkpoint
   * @param calibration of this checkpoint; without one weights are rounded to the nearest
   * @param reused earlier packs of this checkpoint; tensors that a plan encodes as one of them does
   *     are copied
   * @param threads at least 1; fewer work where the heap is too small for that many
   * @param progress hears bytes of the checkpoint, in all {@link #workBytes}
   * @throws CorruptFileException when the checkpoint turns out to be damaged
   * @throws MismatchedArtifactException when what is to be resumed is another conversion, or of
   *     files that have changed since
   * @throws IOException when the output cannot be written, or the checkpoint changes meanwhile
   */
  public static void run(
      Checkpoint checkpoint,
      List<Target> targets,
      Optional<Calibration> calibration,
      List<PackReader> reused,
      int threads,
      Leftover leftover,
      ProgressListener progress)
      throws IOException {
    for (Target target : targets) {
      requireCalibration(checkpoint, target.plan(), calibration);
    }
    EncodedTensors known = ReusedPacks.of(reused, checkpoint.fingerprint(), calibration);
    new Conversion(checkpoint, calibration, known, progress).convert(targets, threads, leftover);
  }

  private static void requireCalibration(
      Checkpoint checkpoint, QuantizationPlan plan, Optional<Calibration> calibration)
      throws MismatchedArtifactException {
    Optional<String> found = calibration.map(Calibration::sha256);
    if (plan.calibration().isPresent() && !plan.calibration().equals(found)) {
      throw new MismatchedArtifactException(
          checkpoint.path(),
          "the plan was made with another calibration: expected "
              + plan.calibration().get()
              + ", found "
              + found.orElse("none")
              + "; give it with --calibration");
    }
  }

  /**
   * Encodes one part of a pack, which {@link #join} puts together with the others. A part that is
   * there already is left as it is.
   *
   * @param target the whole pack
   * @param number of the part, from 1
   * @param count of the parts
   * @return whether there was something to do
   */
  public static boolean runPart(
      Checkpoint checkpoint,
      Target target,
      Optional<Calibration> calibration,
      int number,
      int count,
      int threads,
      Leftover leftover,
      ProgressListener progress)
      throws IOException {
    requireCalibration(checkpoint, target.plan(), calibration);
    return new Conversion(checkpoint, calibration, EncodedTensors.NONE, progress)
        .convertPart(target, number, count, threads, leftover);
  }

  /**
   * Puts a pack together of its parts, which lie beside it: the same bytes as a whole conversion's.
   *
   * @throws java.nio.file.NoSuchFileException when a part is missing
   * @throws MismatchedArtifactException when a part is of another conversion
   */
  public static void join(
      Checkpoint checkpoint,
      Target target,
      Optional<Calibration> calibration,
      int threads,
      ProgressListener progress)
      throws IOException {
    Conversion reading = new Conversion(checkpoint, calibration, EncodedTensors.NONE, progress);
    PackLayout layout = target.plan().layout(lengths(reading.readAttachments()));
    try (PackParts parts = PackParts.open(target.out(), layout, reading.workAnywhere(target))) {
      new Conversion(checkpoint, calibration, new JoinedParts(parts), progress)
          .convert(List.of(target), threads, Leftover.DISCARD);
    }
  }

  /** Converts to one pack. */
  public static void run(
      Checkpoint checkpoint,
      QuantizationPlan plan,
      Optional<Calibration> calibration,
      Path out,
      int threads,
      Leftover leftover,
      ProgressListener progress)
      throws IOException {
    List<Target> targets = List.of(new Target(plan, out));
    run(checkpoint, targets, calibration, List.of(), threads, leftover, progress);
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

  /**
   * What {@link #run} has to do, in bytes: each weight is encoded, once a pack where they are
   * rounded in sequence, and each source file hashed.
   */
  public static long workBytes(Checkpoint checkpoint, Optional<Calibration> calibration, int packs)
      throws IOException {
    long encoded = 0;
    for (TensorKey key : checkpoint.config().tensors().keySet()) {
      encoded += checkpoint.tensor(key).byteSize();
    }
    boolean inSequence = calibration.map(Calibration::roundsInSequence).orElse(false);
    long bytes = inSequence ? Math.multiplyExact(encoded, (long) packs) : encoded;
    for (Path source : checkpoint.sourceFiles()) {
      bytes += Files.size(source);
    }
    return bytes;
  }

  private void convert(List<Target> targets, int threads, Leftover leftover) throws IOException {
    SortedMap<String, ByteBuffer> attachments = readAttachments();
    try (OnShutdown _ = OnShutdown.run(this::discard)) {
      for (Target target : targets) {
        PackLayout layout = target.plan().layout(lengths(attachments));
        PackWriter writer = open(target, layout, leftover);
        outputs.add(new ConversionOutput(target.plan(), target.plan().encodings(), writer));
      }
      tensors.run(checkpoint.config().tensors().keySet(), sources.files(), threads);
      sources.requireUnchanged();
      known.requireSources(namedHashes());
      for (ConversionOutput output : outputs) {
        for (Map.Entry<String, ByteBuffer> attachment : attachments.entrySet()) {
          output.writer().attach(attachment.getKey(), attachment.getValue().duplicate());
        }
        output.writer().finish(provenance(output.plan()));
      }
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    } finally {
      close();
    }
  }

  private boolean convertPart(Target target, int number, int count, int threads, Leftover leftover)
      throws IOException {
    PackLayout layout = target.plan().layout(lengths(readAttachments()));
    LayoutPart part = LayoutPart.of(layout, number, count);
    String work = workAnywhere(target);
    if (PackParts.isDone(target.out(), part, work)) {
      return false;
    }
    List<Path> files = sources.files();
    List<Path> hashed = new ArrayList<>();
    for (int file = number - 1; file < files.size(); file += count) {
      hashed.add(files.get(file));
    }
    try (OnShutdown _ = OnShutdown.run(this::discard)) {
      PackWriter writer = PackWriter.ofPart(target.out(), part, work, leftover == Leftover.RESUME);
      outputs.add(new ConversionOutput(target.plan(), target.plan().encodings(), writer));
      tensors.run(Set.copyOf(part.tensors()), hashed, threads);
      sources.requireUnchanged();
      writer.finishPart();
      return true;
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    } finally {
      close();
    }
  }

  private static SortedMap<String, Long> lengths(SortedMap<String, ByteBuffer> attachments) {
    SortedMap<String, Long> lengths = new TreeMap<>();
    attachments.forEach((name, bytes) -> lengths.put(name, (long) bytes.remaining()));
    return lengths;
  }

  private void close() throws IOException {
    for (ConversionOutput output : outputs) {
      output.writer().close();
    }
  }

  private PackWriter open(Target target, PackLayout layout, Leftover leftover) throws IOException {
    String work = work(target, sources.describe());
    return switch (leftover) {
      case DISCARD -> PackWriter.create(target.out(), layout, work);
      case RESUME -> PackWriter.resume(target.out(), layout, work);
    };
  }

  /** Parts may be made on several machines, whose copies of a checkpoint are of several times. */
  private String workAnywhere(Target target) {
    return work(target, sources.describeAnywhere());
  }

  private String work(Target target, String files) {
    return String.join(
        "\n",
        ToolVersion.current(),
        target.plan().sha256(),
        target.plan().checkpoint(),
        calibration.map(Calibration::sha256).orElse(""),
        files);
  }

  /** The process ends: there is nobody left to tell of a failure. */
  private void discard() {
    try {
      for (ConversionOutput output : outputs) {
        output.writer().discard();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private SortedMap<String, ByteBuffer> readAttachments() throws IOException {
    SortedMap<String, ByteBuffer> attachments = new TreeMap<>();
    for (Path file : checkpoint.attachmentFiles()) {
      byte[] bytes = SmallFile.read(file, MAX_ATTACHMENT_BYTES);
      attachments.put(file.getFileName().toString(), ByteBuffer.wrap(bytes));
    }
    return attachments;
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

  private Map<String, String> namedHashes() {
    Map<String, String> hashes = new HashMap<>();
    tensors
        .sourceHashes()
        .forEach((file, sha256) -> hashes.put(file.getFileName().toString(), sha256));
    return hashes;
  }

  private Provenance provenance(QuantizationPlan plan) throws IOException {
    List<Provenance.Source> hashed = new ArrayList<>();
    for (Path file : sources.files()) {
      hashed.add(
          new Provenance.Source(
              file.getFileName().toString(), Files.size(file), tensors.sourceHashes().get(file)));
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
