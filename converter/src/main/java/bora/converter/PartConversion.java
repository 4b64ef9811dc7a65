package bora.converter;

import bora.formats.MappedFile;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.LayoutPart;
import bora.formats.pack.PackParts;
import bora.formats.pack.PackWriter;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Turns a checkpoint into a pack part by part, on one machine or several. The bytes are those of a
 * {@link Conversion}.
 */
public final class PartConversion {
  private PartConversion() {}

  /**
   * Encodes one part of a pack, which {@link #join} puts together with the others. A part that is
   * there already is left as it is.
   *
   * @param target the whole pack
   * @param number of the part, from 1
   * @param count of the parts
   * @param threads as {@link Conversion#run} takes them
   * @return whether there was something to do
   * @throws IOException as {@link Conversion#run}
   */
  public static boolean run(
      Checkpoint checkpoint,
      Conversion.Target target,
      Optional<Calibration> calibration,
      int number,
      int count,
      int threads,
      Conversion.Leftover leftover,
      ProgressListener progress)
      throws IOException {
    QuantizationPlan plan = target.plan();
    ConversionInput input = ConversionInput.of(checkpoint, calibration);
    input.requireCalibrationOf(plan);
    LayoutPart part = LayoutPart.of(input.layout(plan), number, count);
    String work = input.workAnywhere(plan);
    if (PackParts.isDone(target.out(), part, work)) {
      return false;
    }
    boolean resume = leftover == Conversion.Leftover.RESUME;
    try (ConversionOutputs outputs = new ConversionOutputs(EncodedTensors.NONE)) {
      PackWriter writer = PackWriter.ofPart(target.out(), part, work, resume);
      outputs.add(plan, writer);
      new TensorConversion(input, outputs, progress)
          .run(Set.copyOf(part.tensors()), dealt(input.sources().files(), number, count), threads);
      input.sources().requireUnchanged();
      writer.finishPart();
      return true;
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    }
  }

  /** The source files whose hashes a part takes. */
  private static List<Path> dealt(List<Path> files, int number, int count) {
    List<Path> dealt = new ArrayList<>();
    for (int file = number - 1; file < files.size(); file += count) {
      dealt.add(files.get(file));
    }
    return dealt;
  }

  /**
   * Puts a pack together of its parts, which lie beside it: the same bytes as a whole conversion's.
   *
   * @throws java.nio.file.NoSuchFileException when a part is missing
   * @throws MismatchedArtifactException when a part is of another conversion
   */
  public static void join(
      Checkpoint checkpoint,
      Conversion.Target target,
      Optional<Calibration> calibration,
      int threads,
      ProgressListener progress)
      throws IOException {
    QuantizationPlan plan = target.plan();
    ConversionInput input = ConversionInput.of(checkpoint, calibration);
    String work = input.workAnywhere(plan);
    try (PackParts parts = PackParts.open(target.out(), input.layout(plan), work)) {
      Conversion.convert(
          input,
          List.of(target),
          new JoinedParts(parts),
          threads,
          Conversion.Leftover.DISCARD,
          progress);
    }
  }
}
