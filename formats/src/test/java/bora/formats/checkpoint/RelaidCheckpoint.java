package bora.formats.checkpoint;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Writes the tensors of a checkpoint of the hub in every other layout, byte by byte the same
 * weights. Spells names and permutes rows on its own.
 */
public final class RelaidCheckpoint {
  /** The layouts that can be written. */
  public enum Target {
    HUB_SHARDED,
    HUB_FUSED,
    HUB_BIN,
    HUB_BIN_SHARDED,
    MISTRAL_SAFETENSORS,
    MISTRAL_SAFETENSORS_SHARDED,
    MISTRAL_PTH,
    MISTRAL_PT_STACKED,
    GGUF,
    GGUF_SPLIT_EXPERTS
  }

  private record Tensor(String dtype, byte[] bytes, long... shape) {
    int rowBytes() {
      int rows = 1;
      for (int i = 0; i < shape.length - 1; i++) {
        rows *= (int) shape[i];
      }
      return bytes.length / rows;
    }
  }

  private final ObjectNode config;
  private final SortedMap<String, Tensor> tensors = new TreeMap<>();
  private final boolean mixtral;
  private final int layers;
  private final int experts;
  private final int headDim;

  private RelaidCheckpoint(ObjectNode config) {
    this.config = config;
    this.mixtral = config.get("model_type").asText().equals("mixtral");
    this.layers = config.get("num_hidden_layers").asInt();
    this.experts = config.path("num_local_experts").asInt(1);
    this.headDim =
        config.has("head_dim")
            ? config.get("head_dim").asInt()
            : config.get("hidden_size").asInt() / config.get("num_attention_heads").asInt();
  }

  /** Takes the weights of a checkpoint of the hub, whose experts are not fused. */
  public static RelaidCheckpoint of(Path hub) throws IOException {
    JsonNode config = StrictJson.readObject(hub.resolve("config.json"), 1 << 20);
    RelaidCheckpoint relaid = new RelaidCheckpoint((ObjectNode) config);
    List<Path> shards;
    try (var files = Files.list(hub)) {
      shards = files.filter(f -> f.getFileName().toString().matches("model.*safetensors")).toList();
    }
    for (Path shard : shards) {
      try (SafetensorsFile file = SafetensorsFile.open(shard)) {
        for (SafetensorsEntry entry : file.entries().values()) {
          long[] shape = entry.dimensions().stream().mapToLong(Long::longValue).toArray();
          byte[] bytes = entry.bytes().toArray(ValueLayout.JAVA_BYTE);
          relaid.tensors.put(entry.name(), new Tensor(entry.dtype().name(), bytes, shape));
        }
      }
    }
    return relaid;
  }

  /** Writes the checkpoint and returns what to open: the directory, or the GGUF file. */
  public Path write(Target target, Path directory) throws IOException {
    Files.createDirectories(directory);
    switch (target) {
      case HUB_SHARDED, HUB_BIN, HUB_BIN_SHARDED ->
          Files.write(directory.resolve("config.json"), StrictJson.toIndentedBytes(config));
      case HUB_FUSED -> {
        ObjectNode five = config.deepCopy();
        five.putObject("rope_parameters")
            .put("rope_type", "default")
            .set("rope_theta", five.remove("rope_theta"));
        Files.write(directory.resolve("config.json"), StrictJson.toIndentedBytes(five));
      }
      default -> Files.write(directory.resolve("params.json"), params());
    }
    String stem = target.name().startsWith("HUB") ? "model" : "consolidated";
    switch (target) {
      case HUB_SHARDED -> writeSafetensors(directory, stem, tensors, 3);
      case HUB_FUSED -> writeSafetensors(directory, stem, fused(), 1);
      case HUB_BIN -> writeTorch(directory, List.of("pytorch_model.bin"), tensors, true);
      case HUB_BIN_SHARDED ->
          writeTorch(
              directory,
              List.of("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"),
              tensors,
              true);
      case MISTRAL_SAFETENSORS -> writeSafetensors(directory, stem, mistral(false), 1);
      case MISTRAL_SAFETENSORS_SHARDED -> writeSafetensors(directory, stem, mistral(false), 2);
      case MISTRAL_PTH ->
          writeTorch(directory, List.of("consolidated.00.pth"), mistral(false), false);
      case MISTRAL_PT_STACKED ->
          writeTorch(
              directory, List.of("consolidated.00.pt", "consolidated.01.pt"), mistral(true), false);
      case GGUF, GGUF_SPLIT_EXPERTS -> {
        Files.delete(directory.resolve("params.json"));
        Path file = directory.resolve("model.gguf");
        return gguf(target == Target.GGUF_SPLIT_EXPERTS).write(file);
      }
    }
    return directory;
  }

  private byte[] params() {
    ObjectNode params = StrictJson.newObject();
    params.set("dim", config.get("hidden_size"));
    params.set("n_layers", config.get("num_hidden_layers"));
    params.put("head_dim", headDim);
    params.set("hidden_dim", config.get("intermediate_size"));
    params.set("n_heads", config.get("num_attention_heads"));
    params.set("n_kv_heads", config.get("num_key_value_heads"));
    params.set("norm_eps", config.get("rms_norm_eps"));
    params.set("vocab_size", config.get("vocab_size"));
    params.set("rope_theta", config.get("rope_theta"));
    params.set("max_seq_len", config.get("max_position_embeddings"));
    if (!config.get("sliding_window").isNull()) {
      params.put("sliding_window", config.get("sliding_window").asText());
    }
    if (config.get("tie_word_embeddings").asBoolean()) {
      params.put("tied_embeddings", true);
    }
    if (mixtral) {
      params
          .putObject("moe")
          .put("num_experts", experts)
          .set("num_experts_per_tok", config.get("num_experts_per_tok"));
    }
    return StrictJson.toIndentedBytes(params);
  }

  private SortedMap<String, Tensor> fused() {
    SortedMap<String, Tensor> fused = new TreeMap<>(tensors);
    fused.keySet().removeIf(name -> name.contains("block_sparse_moe"));
    for (int layer = 0; mixtral && layer < layers; layer++) {
      String from = "model.layers." + layer + ".block_sparse_moe.";
      String to = "model.layers." + layer + ".mlp.";
      fused.put(to + "gate.weight", tensors.get(from + "gate.weight"));
      List<Tensor> gateUp = new ArrayList<>();
      List<Tensor> down = new ArrayList<>();
      for (int expert = 0; expert < experts; expert++) {
        gateUp.add(tensors.get(from + "experts." + expert + ".w1.weight"));
        gateUp.add(tensors.get(from + "experts." + expert + ".w3.weight"));
        down.add(tensors.get(from + "experts." + expert + ".w2.weight"));
      }
      long[] up = gateUp.getFirst().shape();
      long[] out = down.getFirst().shape();
      fused.put(to + "experts.gate_up_proj", concatenated(gateUp, experts, 2 * up[0], up[1]));
      fused.put(to + "experts.down_proj", concatenated(down, experts, out[0], out[1]));
    }
    return fused;
  }

  private SortedMap<String, Tensor> mistral(boolean stacked) {
    SortedMap<String, Tensor> named = new TreeMap<>();
    tensors.forEach(
        (name, tensor) -> {
          String own =
              name.replaceFirst("^model\\.", "")
                  .replace("embed_tokens", "tok_embeddings")
                  .replace("lm_head", "output")
                  .replace("input_layernorm", "attention_norm")
                  .replace("post_attention_layernorm", "ffn_norm")
                  .replace("post_attention_norm", "ffn_norm")
                  .replaceFirst("self_attn\\.([qkvo])_proj", "attention.w$1")
                  .replace("mlp.gate_proj", "feed_forward.w1")
                  .replace("mlp.up_proj", "feed_forward.w3")
                  .replace("mlp.down_proj", "feed_forward.w2");
          own = stacked ? own : own.replace("block_sparse_moe", "feed_forward");
          boolean rotated = own.endsWith("wq.weight") || own.endsWith("wk.weight");
          named.put(own, rotated ? interleaved(tensor) : tensor);
        });
    for (int layer = 0; stacked && mixtral && layer < layers; layer++) {
      String prefix = "layers." + layer + ".block_sparse_moe.";
      for (String projection : List.of("w1", "w2", "w3")) {
        List<Tensor> parts = new ArrayList<>();
        for (int expert = 0; expert < experts; expert++) {
          Tensor part = named.remove(prefix + "experts." + expert + "." + projection + ".weight");
          parts.add(projection.equals("w2") ? transposed(part) : part);
        }
        long[] shape = parts.getFirst().shape();
        named.put(prefix + projection, concatenated(parts, experts * shape[0], shape[1]));
      }
    }
    return named;
  }

  private GgufFixture gguf(boolean splitExperts) {
    GgufFixture gguf = new GgufFixture();
    gguf.metadata("general.architecture", "llama").metadata("general.name", "relaid");
    ggufInteger(gguf, "context_length", "max_position_embeddings");
    ggufInteger(gguf, "embedding_length", "hidden_size");
    ggufInteger(gguf, "block_count", "num_hidden_layers");
    ggufInteger(gguf, "feed_forward_length", "intermediate_size");
    ggufInteger(gguf, "attention.head_count", "num_attention_heads");
    ggufInteger(gguf, "attention.head_count_kv", "num_key_value_heads");
    gguf.metadata("llama.attention.key_length", headDim);
    gguf.metadata("llama.rope.dimension_count", headDim);
    gguf.metadata(
        "llama.attention.layer_norm_rms_epsilon", (float) config.get("rms_norm_eps").asDouble());
    gguf.metadata("llama.rope.freq_base", (float) config.get("rope_theta").asDouble());
    if (!config.get("sliding_window").isNull()) {
      ggufInteger(gguf, "attention.sliding_window", "sliding_window");
    }
    if (mixtral) {
      ggufInteger(gguf, "expert_count", "num_local_experts");
      ggufInteger(gguf, "expert_used_count", "num_experts_per_tok");
    }
    gguf.metadata("tokenizer.ggml.tokens", List.of("<unk>", "<s>", "</s>"));
    gguf.metadata("tokenizer.ggml.bos_token_id", config.get("bos_token_id").asInt());
    gguf.metadata("tokenizer.ggml.eos_token_id", config.get("eos_token_id").asInt());
    mistral(false)
        .forEach(
            (name, tensor) -> {
              if (!name.contains("experts") || splitExperts) {
                put(gguf, ggufName(name), tensor);
              }
            });
    if (!splitExperts && mixtral) {
      putMergedExperts(gguf);
    }
    return gguf;
  }

  private void putMergedExperts(GgufFixture gguf) {
    Map<String, String> projections = Map.of("gate", "w1", "up", "w3", "down", "w2");
    for (int layer = 0; layer < layers; layer++) {
      for (Map.Entry<String, String> projection : projections.entrySet()) {
        List<Tensor> parts = new ArrayList<>();
        for (int expert = 0; expert < experts; expert++) {
          String owner = "model.layers." + layer + ".block_sparse_moe.experts." + expert + ".";
          parts.add(tensors.get(owner + projection.getValue() + ".weight"));
        }
        long[] shape = parts.getFirst().shape();
        put(
            gguf,
            "blk." + layer + ".ffn_" + projection.getKey() + "_exps.weight",
            concatenated(parts, experts, shape[0], shape[1]));
      }
    }
  }

  private void ggufInteger(GgufFixture gguf, String key, String field) {
    gguf.metadata("llama." + key, config.get(field).asInt());
  }

  private static String ggufName(String own) {
    return own.replace("tok_embeddings", "token_embd")
        .replaceFirst("^norm", "output_norm")
        .replaceFirst("^layers", "blk")
        .replace("attention_norm", "attn_norm")
        .replaceFirst("attention\\.w([qkv])", "attn_$1")
        .replace("attention.wo", "attn_output")
        .replace("feed_forward.gate", "ffn_gate_inp")
        .replaceFirst("feed_forward\\.experts\\.(\\d+)\\.w1", "ffn_gate.$1")
        .replaceFirst("feed_forward\\.experts\\.(\\d+)\\.w2", "ffn_down.$1")
        .replaceFirst("feed_forward\\.experts\\.(\\d+)\\.w3", "ffn_up.$1")
        .replace("feed_forward.w1", "ffn_gate")
        .replace("feed_forward.w2", "ffn_down")
        .replace("feed_forward.w3", "ffn_up");
  }

  /** As llama.cpp's converter does, vectors and routers become F32. */
  private static void put(GgufFixture gguf, String name, Tensor tensor) {
    boolean widened = tensor.shape().length == 1 || name.contains("ffn_gate_inp");
    if (widened && tensor.dtype().equals("BF16")) {
      ByteBuffer narrow = ByteBuffer.wrap(tensor.bytes()).order(ByteOrder.LITTLE_ENDIAN);
      ByteBuffer wide = ByteBuffer.allocate(2 * narrow.capacity()).order(ByteOrder.LITTLE_ENDIAN);
      while (narrow.hasRemaining()) {
        wide.putInt(narrow.getShort() << 16);
      }
      gguf.tensor(name, 0, wide.array(), tensor.shape());
    } else {
      int type =
          switch (tensor.dtype()) {
            case "F32" -> 0;
            case "F16" -> 1;
            case "BF16" -> 30;
            default -> throw new IllegalArgumentException(tensor.dtype());
          };
      gguf.tensor(name, type, tensor.bytes(), tensor.shape());
    }
  }

  /** Rows 0, d/2, 1, d/2 + 1 ... of each head of d rows. */
  private Tensor interleaved(Tensor tensor) {
    int rowBytes = tensor.rowBytes();
    byte[] bytes = new byte[tensor.bytes().length];
    int to = 0;
    for (int head = 0; head < tensor.shape()[0] / headDim; head++) {
      for (int pair = 0; pair < headDim / 2; pair++) {
        for (int half = 0; half < 2; half++) {
          int from = head * headDim + half * headDim / 2 + pair;
          System.arraycopy(tensor.bytes(), from * rowBytes, bytes, to++ * rowBytes, rowBytes);
        }
      }
    }
    return new Tensor(tensor.dtype(), bytes, tensor.shape());
  }

  private static Tensor transposed(Tensor tensor) {
    int rows = (int) tensor.shape()[0];
    int columns = (int) tensor.shape()[1];
    int size = tensor.rowBytes() / columns;
    byte[] bytes = new byte[tensor.bytes().length];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        int from = (row * columns + column) * size;
        System.arraycopy(tensor.bytes(), from, bytes, (column * rows + row) * size, size);
      }
    }
    return new Tensor(tensor.dtype(), bytes, columns, rows);
  }

  private static Tensor concatenated(List<Tensor> parts, long... shape) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    parts.forEach(part -> bytes.writeBytes(part.bytes()));
    return new Tensor(parts.getFirst().dtype(), bytes.toByteArray(), shape);
  }

  private static void writeSafetensors(
      Path directory, String stem, SortedMap<String, Tensor> tensors, int count)
      throws IOException {
    List<String> names = new ArrayList<>();
    for (int i = 1; i <= count; i++) {
      names.add(
          count == 1
              ? stem + ".safetensors"
              : String.format(Locale.ROOT, "%s-%05d-of-%05d.safetensors", stem, i, count));
    }
    SortedMap<String, String> weightMap = deal(tensors, names);
    for (String name : names) {
      SafetensorsFixture file = new SafetensorsFixture();
      tensors.forEach(
          (key, t) -> {
            if (weightMap.get(key).equals(name)) {
              file.tensor(key, t.dtype(), t.bytes(), t.shape());
            }
          });
      file.write(directory.resolve(name));
    }
    if (count > 1) {
      writeIndex(directory.resolve(stem + ".safetensors.index.json"), weightMap);
    }
  }

  private static void writeTorch(
      Path directory, List<String> names, SortedMap<String, Tensor> tensors, boolean indexed)
      throws IOException {
    SortedMap<String, String> weightMap = deal(tensors, names);
    for (String name : names) {
      TorchFixture file = new TorchFixture();
      tensors.forEach(
          (key, t) -> {
            if (weightMap.get(key).equals(name)) {
              file.tensor(key, t.dtype(), t.bytes(), t.shape());
            }
          });
      file.write(directory.resolve(name));
    }
    if (indexed && names.size() > 1) {
      writeIndex(directory.resolve("pytorch_model.bin.index.json"), weightMap);
    }
  }

  /** Gives each tensor a file in turn. */
  private static SortedMap<String, String> deal(
      SortedMap<String, Tensor> tensors, List<String> names) {
    SortedMap<String, String> weightMap = new TreeMap<>();
    for (String tensor : tensors.keySet()) {
      weightMap.put(tensor, names.get(weightMap.size() % names.size()));
    }
    return weightMap;
  }

  private static void writeIndex(Path file, SortedMap<String, String> weightMap)
      throws IOException {
    ObjectNode index = StrictJson.newObject();
    index.putObject("metadata");
    ObjectNode map = index.putObject("weight_map");
    weightMap.forEach(map::put);
    Files.write(file, StrictJson.toIndentedBytes(index));
  }
}
