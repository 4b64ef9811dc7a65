package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.json.JsonFields;
import bora.formats.json.StrictJson;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;

/**
 * Reads the {@code params.json} of Mistral AI's own checkpoints. What it leaves out is as in
 * mistral-inference ({@code rope_theta}) and in transformers' converter (the context of 32768); the
 * begin and end of a text are tokens 1 and 2 of every tokenizer of these models.
 */
final class MistralParams {
  private static final int DEFAULT_CONTEXT = 32_768;

  /** mistral-inference, {@code transformer.py}: by whether there is a sliding window. */
  private static final double DEFAULT_THETA = 1_000_000;

  private static final double DEFAULT_THETA_WINDOWED = 10_000;

  /** Fields of later models whose arithmetic is another. */
  private static final List<String> CHANGING_THE_MODEL =
      List.of("yarn", "llama_4_scaling", "vision_encoder", "multimodal", "q_lora_rank", "lora");

  private final Path file;
  private final JsonFields fields;

  private MistralParams(Path file, JsonFields fields) {
    this.file = file;
    this.fields = fields;
  }

  /**
   * @throws CorruptFileException when the file describes no Mistral or Mixtral, or contradicts
   *     itself
   */
  static ModelConfig read(Path file) throws IOException {
    JsonFields fields =
        JsonFields.of(file, StrictJson.readObject(file, Checkpoint.MAX_CONFIG_BYTES));
    return new MistralParams(file, fields).toModelConfig();
  }

  private ModelConfig toModelConfig() throws CorruptFileException {
    refuseWhatChangesTheModel();
    boolean mixtral = fields.has("moe");
    int dim = fields.smallInteger("dim");
    int heads = fields.smallInteger("n_heads");
    OptionalInt window = slidingWindow();
    try {
      return new ModelConfig(
          mixtral ? Architecture.MIXTRAL : Architecture.MISTRAL,
          fields.smallInteger("vocab_size"),
          dim,
          fields.smallInteger("hidden_dim"),
          fields.smallInteger("n_layers"),
          heads,
          fields.has("n_kv_heads") ? fields.smallInteger("n_kv_heads") : heads,
          headDim(dim, heads),
          mixtral ? fields.object("moe").smallInteger("num_experts") : 1,
          mixtral ? fields.object("moe").smallInteger("num_experts_per_tok") : 1,
          fields.number("norm_eps"),
          ropeTheta(window),
          window,
          context(),
          fields.has("tied_embeddings") && fields.flag("tied_embeddings"),
          OptionalInt.of(1),
          List.of(2));
    } catch (IllegalArgumentException e) {
      throw new CorruptFileException(file, e.getMessage(), e);
    }
  }

  private void refuseWhatChangesTheModel() throws CorruptFileException {
    if (fields.has("quantization") || fields.has("quantization_config")) {
      throw new CorruptFileException(
          file,
          "the checkpoint is already quantized: expected float weights, found a quantization;"
              + " convert the original checkpoint instead");
    }
    for (String field : CHANGING_THE_MODEL) {
      if (fields.has(field)) {
        throw fields.wrong(field, "a model of Mistral or Mixtral, without this field", "it");
      }
    }
    if (fields.has("model_type") && !fields.text("model_type").equals("transformer")) {
      throw fields.wrong("model_type", "transformer", fields.text("model_type"));
    }
  }

  private int headDim(int dim, int heads) throws CorruptFileException {
    if (fields.has("head_dim")) {
      return fields.smallInteger("head_dim");
    }
    if (heads <= 0 || dim % heads != 0) {
      throw fields.wrong("dim", "a multiple of n_heads where head_dim is absent", dim);
    }
    return dim / heads;
  }

  private double ropeTheta(OptionalInt window) throws CorruptFileException {
    if (fields.has("rope_theta")) {
      return fields.number("rope_theta");
    }
    return window.isPresent() ? DEFAULT_THETA_WINDOWED : DEFAULT_THETA;
  }

  /** Some files have it as a text. */
  private OptionalInt slidingWindow() throws CorruptFileException {
    if (!fields.has("sliding_window")) {
      return OptionalInt.empty();
    }
    if (!fields.isText("sliding_window")) {
      return OptionalInt.of(fields.smallInteger("sliding_window"));
    }
    try {
      return OptionalInt.of(Integer.parseInt(fields.text("sliding_window")));
    } catch (NumberFormatException e) {
      throw fields.wrong("sliding_window", "a number of tokens", fields.text("sliding_window"));
    }
  }

  private int context() throws CorruptFileException {
    for (String field : List.of("max_seq_len", "max_position_embeddings")) {
      if (fields.has(field)) {
        return fields.smallInteger(field);
      }
    }
    return DEFAULT_CONTEXT;
  }
}
