package bora.converter;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackLayout;
import bora.formats.pack.PackReader;
import bora.formats.pack.PackWriter;
import bora.formats.pack.Provenance;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

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

  private Conversion() {}

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
    ConversionInput input = ConversionInput.of(checkpoint, calibration);
    for (Target target : targets) {
      input.requireCalibrationOf(target.plan());
    }
    EncodedTensors known = ReusedPacks.of(reused, checkpoint.fingerprint(), calibration);
    convert(input, targets, known, threads, leftover, progress);
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

  /**
   * @param known where tensors and hashes are taken from that are there already
   */
  static void convert(
      ConversionInput input,
      List<Target> targets,
      EncodedTensors known,
      int threads,
      Leftover leftover,
      ProgressListener progress)
      throws IOException {
    SourceFiles sources = input.sources();
    try (ConversionOutputs outputs = new ConversionOutputs(known)) {
      for (Target target : targets) {
        outputs.add(target.plan(), open(input, target, leftover));
      }
      new TensorConversion(input, outputs, progress)
          .run(input.checkpoint().config().tensors().keySet(), sources.files(), threads);
      sources.requireUnchanged();
      known.requireSources(sources.hashed());
      for (ConversionOutput output : outputs.all()) {
        input.attachTo(output.writer());
        output.writer().finish(input.provenance(output.plan()));
      }
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    }
  }

  private static PackWriter open(ConversionInput input, Target target, Leftover leftover)
      throws IOException {
    PackLayout layout = input.layout(target.plan());
    String work = input.work(target.plan());
    return switch (leftover) {
      case DISCARD -> PackWriter.create(target.out(), layout, work);
      case RESUME -> PackWriter.resume(target.out(), layout, work);
    };
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
}
