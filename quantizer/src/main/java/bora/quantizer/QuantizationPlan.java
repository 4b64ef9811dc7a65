package bora.quantizer;

import bora.formats.PartialFile;
import bora.formats.Sha256;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import bora.formats.pack.PackLayout;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;

/**
 * Which encoding every tensor of a checkpoint gets, decided and with its sizes known before a byte
 * is encoded.
 *
 * @param policy name of the policy it was made from
 * @param checkpoint fingerprint of the checkpoint it is for, 64 hexadecimal digits
 * @param calibration SHA-256 of the calibration whose sensitivities decided, if one did
 * @param tensors every tensor of the config, in canonical order
 */
public record QuantizationPlan(
    String policy,
    String checkpoint,
    Optional<String> calibration,
    ModelConfig config,
    List<PlannedTensor> tensors) {
  /**
   * @throws IllegalArgumentException when the tensors are not those of the config
   */
  public QuantizationPlan {
    tensors = List.copyOf(tensors);
    List<TensorKey> keys = new ArrayList<>(config.tensors().keySet());
    if (!tensors.stream().map(PlannedTensor::key).toList().equals(keys)) {
      throw new IllegalArgumentException(
          "expected the " + keys.size() + " tensors of the model in canonical order");
    }
    for (PlannedTensor tensor : tensors) {
      TensorShape shape = config.tensors().get(tensor.key());
      if (!tensor.shape().equals(shape)) {
        throw new IllegalArgumentException(
            tensor.key() + ": expected shape " + shape + ", found " + tensor.shape());
      }
    }
  }

  /**
   * Reads a plan for a checkpoint.
   *
   * @param checkpoint the fingerprint of the checkpoint at hand
   * @throws bora.formats.CorruptFileException when it is no plan, or one for another config
   * @throws bora.formats.MismatchedArtifactException when it was made for another checkpoint
   * @throws bora.formats.UnsupportedVersionException when a newer bora made it
   */
  public static QuantizationPlan read(Path file, ModelConfig config, String checkpoint)
      throws IOException {
    return PlanJson.read(file, config, checkpoint);
  }

  /** Writes the plan, indented; equal plans give equal bytes. */
  public void write(Path file) throws IOException {
    PartialFile.write(file, PlanJson.toIndentedBytes(this));
  }

  /** SHA-256 of the plan's JSON without white space, 64 hexadecimal digits. */
  public String sha256() {
    return Sha256.of(PlanJson.toBytes(this));
  }

  /** The encoding of each tensor, in canonical order. */
  public SequencedMap<TensorKey, Encoding> encodings() {
    SequencedMap<TensorKey, Encoding> encodings = new LinkedHashMap<>();
    tensors.forEach(tensor -> encodings.put(tensor.key(), tensor.encoding()));
    return encodings;
  }

  /** Bytes of all encoded tensors. */
  public long weightBytes() {
    return tensors.stream().mapToLong(PlannedTensor::bytes).reduce(0, Math::addExact);
  }

  /** Bits a weight, over all tensors. */
  public double bitsPerWeight() {
    return (double) Byte.SIZE * weightBytes() / config.parameterCount();
  }

  /**
   * Where everything will stand in the pack.
   *
   * @param attachmentBytes the length of each attachment by name
   */
  public PackLayout layout(SortedMap<String, Long> attachmentBytes) {
    return PackLayout.of(config, encodings(), attachmentBytes);
  }
}
