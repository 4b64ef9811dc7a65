package bora.converter.release;

import java.io.IOException;

/** A pack whose verification failed was to be released. */
public final class UnverifiedException extends IOException {
  private static final long serialVersionUID = 1;

  UnverifiedException(String message) {
    super(message);
  }
}
