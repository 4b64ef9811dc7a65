package bora.converter;

import bora.formats.ProgressListener;
import bora.formats.json.ModelConfigJson;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What differs between two models, each a pack or a checkpoint: config, tensors, encodings, bytes,
 * and the error of the second one's weights against the first one's.
 *
 * @param config fields that differ
 * @param onlyInFirst tensors that the second one lacks, or has in another shape
 * @param onlyInSecond the other way round
 * @param tensors all that both have, in canonical order
 */
public record ModelDifference(
    List<FieldChange> config,
    List<TensorKey> onlyInFirst,
    List<TensorKey> onlyInSecond,
    List<TensorChange> tensors) {
  public ModelDifference {
    config = List.copyOf(config);
    onlyInFirst = List.copyOf(onlyInFirst);
    onlyInSecond = List.copyOf(onlyInSecond);
    tensors = List.copyOf(tensors);
  }

  /** A field of the config, as JSON; empty text where a side does not have it. */
  public record FieldChange(String name, String first, String second) {}

  /**
   * A tensor on both sides.
   *
   * @param squaredDifference sum of (second - first)^2
   * @param squares sum of first^2
   */
  public record TensorChange(
      TensorKey key,
      String firstEncoding,
      String secondEncoding,
      long firstBytes,
      long secondBytes,
      double squaredDifference,
      double squares) {
    /** Whether it is stored otherwise or has other values. */
    public boolean changed() {
      return squaredDifference != 0
          || !firstEncoding.equals(secondEncoding)
          || firstBytes != secondBytes;
    }
  }

  /** Whether nothing differs. */
  public boolean isEmpty() {
    return config.isEmpty()
        && onlyInFirst.isEmpty()
        && onlyInSecond.isEmpty()
        && tensors.stream().noneMatch(TensorChange::changed);
  }

  /** Squared difference divided by the first one's squares, over some tensors together. */
  public static double relativeError(List<TensorChange> changes) {
    double difference = changes.stream().mapToDouble(TensorChange::squaredDifference).sum();
    double squares = changes.stream().mapToDouble(TensorChange::squares).sum();
    return difference == 0 ? 0 : difference / squares;
  }

  /** The matrices of one expert; empty when the models do not share it. */
  public List<TensorChange> expert(int layer, int expert) {
    return tensors.stream()
        .filter(
            change ->
                change.key.role().scope() == TensorRole.Scope.EXPERT
                    && change.key.layer() == layer
                    && change.key.expert() == expert)
        .toList();
  }

  /**
   * Compares every weight.
   *
   * @param weights hears of every weight compared
   */
  public static ModelDifference of(Path first, Path second, ProgressListener weights)
      throws IOException {
    try (ComparedModel a = ComparedModel.open(first);
        ComparedModel b = ComparedModel.open(second)) {
      Map<TensorKey, TensorShape> ofA = a.config().tensors();
      Map<TensorKey, TensorShape> ofB = b.config().tensors();
      List<TensorKey> common =
          ofA.keySet().stream().filter(key -> ofA.get(key).equals(ofB.get(key))).toList();
      List<TensorChange> changes =
          common.parallelStream().map(key -> compare(a, b, key, weights)).toList();
      return new ModelDifference(
          configChanges(a.config(), b.config()),
          ofA.keySet().stream().filter(key -> !ofA.get(key).equals(ofB.get(key))).toList(),
          ofB.keySet().stream().filter(key -> !ofB.get(key).equals(ofA.get(key))).toList(),
          changes);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private static List<FieldChange> configChanges(ModelConfig first, ModelConfig second) {
    ObjectNode a = ModelConfigJson.write(first);
    ObjectNode b = ModelConfigJson.write(second);
    List<FieldChange> changes = new ArrayList<>();
    for (Map.Entry<String, JsonNode> field : a.properties()) {
      JsonNode other = b.path(field.getKey());
      if (!field.getValue().equals(other)) {
        changes.add(new FieldChange(field.getKey(), field.getValue().toString(), other.toString()));
      }
    }
    for (Map.Entry<String, JsonNode> field : b.properties()) {
      Optional<JsonNode> own = Optional.ofNullable(a.get(field.getKey()));
      if (own.isEmpty()) {
        changes.add(new FieldChange(field.getKey(), "", field.getValue().toString()));
      }
    }
    return changes;
  }

  private static TensorChange compare(
      ComparedModel a, ComparedModel b, TensorKey key, ProgressListener weights) {
    TensorShape shape = a.config().tensors().get(key);
    float[] first = new float[shape.columns()];
    float[] second = new float[shape.columns()];
    double difference = 0;
    double squares = 0;
    try {
      for (int row = 0; row < shape.rows(); row++) {
        a.weights().readRows(key, row, 1, first, 0);
        b.weights().readRows(key, row, 1, second, 0);
        for (int i = 0; i < first.length; i++) {
          double error = (double) second[i] - first[i];
          difference += error * error;
          squares += (double) first[i] * first[i];
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    weights.advance(shape.elementCount());
    return new TensorChange(
        key, a.encoding(key), b.encoding(key), a.bytes(key), b.bytes(key), difference, squares);
  }
}
