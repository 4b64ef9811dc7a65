package bora.runtime.memory;

/** The five components of an estimate; they add up to what the GPU really has taken. */
public enum MemoryComponent {
  /** The parameters as they are stored on the device. */
  WEIGHTS("weights"),
  /** Keys and values of every token of the context, in every layer. */
  KV_CACHE("kvCache"),
  /** Everything else that is alive at the moment of the highest allocation. */
  ACTIVATIONS("activations"),
  /** The driver, the CUDA context, kernels, and the cuBLAS workspace. */
  RUNTIME("runtime"),
  /** Memory that the caching allocator reserved and that holds no tensor at the peak. */
  ALLOCATOR_SLACK("allocatorSlack");

  private final String jsonName;

  MemoryComponent(String jsonName) {
    this.jsonName = jsonName;
  }

  /** The name in {@code bora estimate --json}. */
  public String jsonName() {
    return jsonName;
  }
}
