package bora.formats.model;

/** The model families bora knows. They differ in the feed-forward alone: dense, or experts. */
public enum Architecture {
  MISTRAL("mistral"),
  MIXTRAL("mixtral");

  private final String id;

  Architecture(String id) {
    this.id = id;
  }

  /** The name used in files: {@code model_type} of a checkpoint, {@code architecture} of a pack. */
  public String id() {
    return id;
  }
}
