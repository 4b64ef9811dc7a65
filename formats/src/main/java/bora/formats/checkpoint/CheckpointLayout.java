package bora.formats.checkpoint;

/** How a checkpoint's files are laid out; see {@code docs/checkpoints.md}. Best first. */
public enum CheckpointLayout {
  /** {@code config.json} and {@code model.safetensors}, or the shards of its index. */
  HUB_SAFETENSORS("hub-safetensors", "safetensors of the hub", "config.json", "model.safetensors"),
  /** {@code params.json} and {@code consolidated.safetensors}, or the shards of its index. */
  MISTRAL_SAFETENSORS(
      "mistral-safetensors",
      "Mistral's own safetensors",
      "params.json",
      "consolidated.safetensors"),
  /** {@code config.json} and {@code pytorch_model.bin}, or the shards of its index. */
  HUB_PYTORCH("hub-pytorch", "PyTorch files of the hub", "config.json", "pytorch_model.bin"),
  /** {@code params.json} and {@code consolidated.00.pth}, {@code consolidated.01.pth} ... */
  MISTRAL_PYTORCH(
      "mistral-pytorch", "Mistral's own PyTorch files", "params.json", "consolidated.00.pth"),
  /** One file with everything in it. */
  GGUF("gguf", "GGUF", "", "");

  private final String id;
  private final String label;
  private final String configName;
  private final String weightsName;

  CheckpointLayout(String id, String label, String configName, String weightsName) {
    this.id = id;
    this.label = label;
    this.configName = configName;
    this.weightsName = weightsName;
  }

  /** The permanent name, for scripts. */
  public String id() {
    return id;
  }

  /** For people. */
  public String label() {
    return label;
  }

  /** The file with the model's shape. */
  String configName() {
    return configName;
  }

  /** The file with all weights, where there is one. */
  String weightsName() {
    return weightsName;
  }

  /** The file that names the files with weights, where there are several. */
  String indexName() {
    return weightsName + ".index.json";
  }

  /** Whether weight files are counted instead of listed in an index. */
  boolean isNumbered() {
    return this == MISTRAL_PYTORCH;
  }

  TensorNaming naming() {
    return switch (this) {
      case HUB_SAFETENSORS, HUB_PYTORCH -> new HuggingFaceNames();
      case MISTRAL_SAFETENSORS, MISTRAL_PYTORCH -> new MistralNames();
      case GGUF -> new GgufNames();
    };
  }
}
