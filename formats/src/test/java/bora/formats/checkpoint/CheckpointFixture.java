package bora.formats.checkpoint;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Writes small checkpoints with random weights, as transformers would save them: {@code
 * CheckpointFixture.mixtral().shards(2).write(directory)}. What a test wants wrong it changes
 * before it writes. Spells configs and tensor names on its own, so that it checks the classes that
 * read them.
 *
 * <p>24 tokens, 16 hidden, 24 intermediate, 2 layers, 4 heads of 4 over 2 of keys and values; in
 * Mixtral 4 experts, 2 a token.
 */
public final class CheckpointFixture {
  /** A float type that weights are saved in. */
  public enum Weights {
    F32(4),
    F16(2),
    BF16(2);

    private final int bytes;

    Weights(int bytes) {
      this.bytes = bytes;
    }

    byte[] encode(float[] values) {
      ByteBuffer encoded =
          ByteBuffer.allocate(values.length * bytes).order(ByteOrder.LITTLE_ENDIAN);
      for (float value : values) {
        switch (this) {
          case F32 -> encoded.putFloat(value);
          case F16 -> encoded.putShort(Float.floatToFloat16(value));
          case BF16 -> encoded.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
        }
      }
      return encoded.array();
    }
  }

  private record Tensor(String dtype, byte[] bytes, long... shape) {}

  private static final int VOCABULARY = 24;
  private static final int HIDDEN = 16;
  private static final int INTERMEDIATE = 24;
  private static final int LAYERS = 2;
  private static final int EXPERTS = 4;
  private static final int KV_WIDTH = 8;

  private final ObjectNode config;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Map<String, String> indexed = new LinkedHashMap<>();
  private final SplittableRandom random;
  private final Weights weights;
  private int shards = 1;

  private CheckpointFixture(boolean mixtral, Weights weights, long seed) {
    this.weights = weights;
    this.random = new SplittableRandom(seed);
    this.config = config(mixtral);
    addTensors(mixtral);
  }

  public static CheckpointFixture mistral() {
    return mistral(Weights.BF16);
  }

  public static CheckpointFixture mistral(Weights weights) {
    return new CheckpointFixture(false, weights, 1);
  }

  public static CheckpointFixture mixtral() {
    return mixtral(Weights.BF16);
  }

  public static CheckpointFixture mixtral(Weights weights) {
    return new CheckpointFixture(true, weights, 2);
  }

  private static ObjectNode config(boolean mixtral) {
    ObjectNode config = StrictJson.newObject();
    config.putArray("architectures").add(mixtral ? "MixtralForCausalLM" : "MistralForCausalLM");
    config.put("model_type", mixtral ? "mixtral" : "mistral");
    config.put("vocab_size", VOCABULARY).put("hidden_size", HIDDEN);
    config.put("intermediate_size", INTERMEDIATE).put("num_hidden_layers", LAYERS);
    config.put("num_attention_heads", 4).put("num_key_value_heads", 2);
    if (mixtral) {
      config.put("num_local_experts", EXPERTS).put("num_experts_per_tok", 2);
    }
    config.put("rms_norm_eps", 1e-5).put("rope_theta", 10_000.0).putNull("sliding_window");
    config.put("max_position_embeddings", 128).put("tie_word_embeddings", false);
    config.put("bos_token_id", 1).put("eos_token_id", 2).put("hidden_act", "silu");
    return config;
  }

  private void addTensors(boolean mixtral) {
    random("model.embed_tokens.weight", VOCABULARY, HIDDEN);
    for (int layer = 0; layer < LAYERS; layer++) {
      String prefix = "model.layers." + layer + ".";
      random(prefix + "input_layernorm.weight", HIDDEN);
      random(prefix + "self_attn.q_proj.weight", HIDDEN, HIDDEN);
      random(prefix + "self_attn.k_proj.weight", KV_WIDTH, HIDDEN);
      random(prefix + "self_attn.v_proj.weight", KV_WIDTH, HIDDEN);
      random(prefix + "self_attn.o_proj.weight", HIDDEN, HIDDEN);
      random(prefix + "post_attention_layernorm.weight", HIDDEN);
      if (mixtral) {
        random(prefix + "block_sparse_moe.gate.weight", EXPERTS, HIDDEN);
        for (int expert = 0; expert < EXPERTS; expert++) {
          String owner = prefix + "block_sparse_moe.experts." + expert + ".";
          random(owner + "w1.weight", INTERMEDIATE, HIDDEN);
          random(owner + "w2.weight", HIDDEN, INTERMEDIATE);
          random(owner + "w3.weight", INTERMEDIATE, HIDDEN);
        }
      } else {
        random(prefix + "mlp.gate_proj.weight", INTERMEDIATE, HIDDEN);
        random(prefix + "mlp.up_proj.weight", INTERMEDIATE, HIDDEN);
        random(prefix + "mlp.down_proj.weight", HIDDEN, INTERMEDIATE);
      }
    }
    random("model.norm.weight", HIDDEN);
    random("lm_head.weight", VOCABULARY, HIDDEN);
  }

  /** Adds or replaces a tensor of random weights, uniform around zero, norms around one. */
  public CheckpointFixture random(String name, int... shape) {
    int count = 1;
    for (int dimension : shape) {
      count *= dimension;
    }
    float centre = shape.length == 1 ? 1 : 0;
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = centre + (float) random.nextDouble(-0.25, 0.25);
    }
    return tensor(name, values, shape);
  }

  /** Adds or replaces a tensor. */
  public CheckpointFixture tensor(String name, float[] values, int... shape) {
    return raw(name, weights.name(), weights.encode(values), shape);
  }

  /** Adds or replaces a tensor of any type. */
  public CheckpointFixture raw(String name, String dtype, byte[] bytes, int... shape) {
    long[] dimensions = new long[shape.length];
    for (int i = 0; i < shape.length; i++) {
      dimensions[i] = shape[i];
    }
    tensors.put(name, new Tensor(dtype, bytes, dimensions));
    return this;
  }

  public CheckpointFixture withoutTensor(String name) {
    if (tensors.remove(name) == null) {
      throw new IllegalArgumentException("no tensor " + name);
    }
    return this;
  }

  /** Replaces one element by the nearest value of the weights' type. */
  public CheckpointFixture weight(String name, int index, float value) {
    byte[] element = weights.encode(new float[] {value});
    System.arraycopy(element, 0, tensors.get(name).bytes(), index * weights.bytes, weights.bytes);
    return this;
  }

  /** Gives a tensor the bytes of another, as ties do. */
  public CheckpointFixture copyTensor(String from, String to) {
    tensors.put(to, tensors.get(from));
    return this;
  }

  /** Ties the lm_head to the embedding and leaves it out. */
  public CheckpointFixture tied() {
    config("tie_word_embeddings", true);
    return withoutTensor("lm_head.weight");
  }

  /** Sets a field of config.json; null writes a null. */
  public CheckpointFixture config(String field, Object value) {
    config.putPOJO(field, value);
    return this;
  }

  public CheckpointFixture withoutConfig(String field) {
    config.remove(field);
    return this;
  }

  /** Spreads the tensors in turn over several files with an index. */
  public CheckpointFixture shards(int count) {
    shards = count;
    return this;
  }

  /** Makes the index name another file for a tensor than the one that it is written to. */
  public CheckpointFixture index(String tensor, String file) {
    indexed.put(tensor, file);
    return this;
  }

  /** The names of the tensors in the order in which they are written. */
  public List<String> names() {
    return List.copyOf(tensors.keySet());
  }

  /** Writes config, weights and, of several shards, the index; returns the directory. */
  public Path write(Path directory) throws IOException {
    Files.createDirectories(directory);
    Files.write(directory.resolve("config.json"), StrictJson.toIndentedBytes(config));
    List<SafetensorsFixture> files = new ArrayList<>();
    for (int shard = 0; shard < shards; shard++) {
      files.add(new SafetensorsFixture().metadata("format", "pt"));
    }
    ObjectNode index = StrictJson.newObject();
    index.putObject("metadata").put("total_size", 0);
    ObjectNode weightMap = index.putObject("weight_map");
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      int shard = weightMap.size() % shards;
      Tensor tensor = entry.getValue();
      files.get(shard).tensor(entry.getKey(), tensor.dtype(), tensor.bytes(), tensor.shape());
      weightMap.put(entry.getKey(), shardName(shard));
    }
    indexed.forEach(weightMap::put);
    for (int shard = 0; shard < shards; shard++) {
      files.get(shard).write(directory.resolve(shardName(shard)));
    }
    if (shards > 1) {
      Path file = directory.resolve("model.safetensors.index.json");
      Files.write(file, StrictJson.toIndentedBytes(index));
    }
    return directory;
  }

  private String shardName(int shard) {
    return shards == 1
        ? "model.safetensors"
        : String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", shard + 1, shards);
  }
}
