package bora.verifier;

import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.encoding.EncodedTensor;
import bora.formats.json.ModelConfigJson;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackReader;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;

/**
 * Holds a pack's weights against the checkpoint's, tensor by tensor, by the scalar definition of
 * its encodings. It finds tensors in each other's place and damaged scales at any number of bits,
 * where outputs alone would only look a little worse. {@code docs/verification.md} says what is
 * promised.
 */
public final class ConversionCheck {
  /** Of larger models only some rows are compared, of every tensor. */
  private static final long MAX_WEIGHTS = 1_000_000_000L;

  private ConversionCheck() {}

  /**
   * Compares.
   *
   * @param checkpoint what the pack claims to be made of, of the same config
   * @param progress hears of every weight compared, in all {@link #weightsCompared}
   * @throws MismatchedArtifactException when the pack is of another config, saying which field
   */
  public static ConversionResult run(
      WeightSource checkpoint, PackReader pack, ProgressListener progress) throws IOException {
    ModelConfig config = pack.config();
    requireSameConfig(checkpoint, pack);
    int stride = rowStride(config);
    boolean calibrated = pack.manifest().provenance().calibrationSha256().isPresent();
    WeightSource right = calibrated ? new FoldedCheckpoint(checkpoint) : checkpoint;
    try {
      List<TensorError> errors =
          config.tensors().keySet().parallelStream()
              .map(
                  key ->
                      compare(
                          right, pack, comparison(key, pack, calibrated), key, stride, progress))
              .toList();
      return new ConversionResult(checkpoint.description(), errors);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  /** What keeps all values compares exactly, calibrated or not. */
  private static RowComparison comparison(TensorKey key, PackReader pack, boolean calibrated) {
    EncodedTensor tensor = pack.tensor(key);
    boolean rounded = tensor.encoding().isScalar() || tensor.encoding().isTrellis();
    return calibrated && rounded
        ? new FeedbackComparison(key, tensor)
        : new TensorComparison(key, tensor);
  }

  static void requireSameConfig(WeightSource checkpoint, PackReader pack)
      throws MismatchedArtifactException {
    ObjectNode expected = ModelConfigJson.write(checkpoint.config());
    ObjectNode found = ModelConfigJson.write(pack.config());
    for (Map.Entry<String, JsonNode> field : expected.properties()) {
      JsonNode other = found.path(field.getKey());
      if (!field.getValue().equals(other)) {
        throw new MismatchedArtifactException(
            pack.path(),
            "pack of another model: "
                + field.getKey()
                + ": expected "
                + field.getValue()
                + " as in the "
                + checkpoint.description()
                + ", found "
                + other);
      }
    }
  }

  private static TensorError compare(
      WeightSource checkpoint,
      PackReader pack,
      RowComparison comparison,
      TensorKey key,
      int stride,
      ProgressListener progress) {
    try {
      float[] expected = new float[pack.tensor(key).shape().columns()];
      for (int row = 0; row < pack.tensor(key).shape().rows(); row += stride) {
        checkpoint.readRows(key, row, 1, expected, 0);
        comparison.addRow(row, expected);
      }
      TensorError error = comparison.result();
      progress.advance((long) error.rows() * expected.length);
      return error;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Every how many rows one is compared; odd, so that every lane of the panels gets its turn. */
  public static int rowStride(ModelConfig config) {
    return Math.toIntExact(Math.ceilDiv(config.parameterCount(), MAX_WEIGHTS) | 1);
  }

  /** How many weights are compared. */
  public static long weightsCompared(ModelConfig config) {
    int stride = rowStride(config);
    return config.tensors().values().stream()
        .mapToLong(shape -> (long) Math.ceilDiv(shape.rows(), stride) * shape.columns())
        .sum();
  }
}
