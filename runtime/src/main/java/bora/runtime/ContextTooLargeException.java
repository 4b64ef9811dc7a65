package bora.runtime;

/** The system has no memory for the keys and values of a context. */
public final class ContextTooLargeException extends RuntimeException {
  private static final long serialVersionUID = 1;

  ContextTooLargeException(int contextTokens, long byteSize, OutOfMemoryError cause) {
    super(
        "the system has no memory for the keys and values of %d tokens: they take %.2f GB"
            .formatted(contextTokens, byteSize * 1e-9),
        cause);
  }
}
