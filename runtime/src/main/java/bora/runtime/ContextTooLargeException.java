package bora.runtime;

/** A context whose keys and values cannot be held. */
public final class ContextTooLargeException extends IllegalArgumentException {
  private static final long serialVersionUID = 1;

  ContextTooLargeException(int contextTokens, int mostTokens, int headDim) {
    super(
        "context: expected at most "
            + mostTokens
            + " tokens for heads of "
            + headDim
            + ", found "
            + contextTokens);
  }

  ContextTooLargeException(int contextTokens, long byteSize, OutOfMemoryError cause) {
    super(
        "context: the system has no memory for the keys and values of %d tokens: they take %.2f GB"
            .formatted(contextTokens, byteSize * 1e-9),
        cause);
  }
}
