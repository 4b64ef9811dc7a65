package bora.formats.checkpoint;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.util.List;
import java.util.Optional;

/**
 * How a family of checkpoints calls the tensors of a model. Its implementations are the only places
 * that spell names of tensors.
 */
sealed interface TensorNaming permits HuggingFaceNames, MistralNames, GgufNames {
  /** Where a tensor may be, the most usual place first. */
  List<StoredPlace> placesOf(TensorKey key, TensorShape shape, ModelConfig config);

  /** Whether it is a buffer that some checkpoints carry and that follows from the config. */
  boolean isDerivedBuffer(String name);

  /** The types of weights that are read from such checkpoints, for messages. */
  default String weightTypes() {
    return "F32, F16 or BF16";
  }

  /** The scheme of quantization to which alone such a name belongs. */
  Optional<String> quantizationOf(String name);
}
