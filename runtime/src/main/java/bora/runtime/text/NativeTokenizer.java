package bora.runtime.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import bora.formats.CorruptFileException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A tokenizer in HuggingFace's native library. The binding is called directly: the DJL's own loader
 * would probe for CUDA, may download a binary, and reports its use over the network.
 */
final class NativeTokenizer implements AutoCloseable {
  private final long handle;
  private boolean closed;

  private NativeTokenizer(long handle) {
    this.handle = handle;
  }

  /**
   * @param json the content of a {@code tokenizer.json}
   * @param file where it is from, for messages
   */
  static NativeTokenizer open(String json, Path file) throws IOException {
    NativeBinary.load();
    try {
      long handle = TokenizersLibrary.LIB.createTokenizerFromString(json);
      // A text is tokenized whole, whatever length the tokenizer was saved with.
      TokenizersLibrary.LIB.disableTruncation(handle);
      TokenizersLibrary.LIB.disablePadding(handle);
      return new NativeTokenizer(handle);
    } catch (RuntimeException e) {
      // Of the library's errors none but a content that it does not accept can occur here.
      throw new CorruptFileException(file, "no tokenizer: " + e.getMessage(), e);
    }
  }

  /**
   * The tokens of a text.
   *
   * @param frame whether to add what the tokenizer's own template puts around a text
   */
  synchronized int[] encode(String text, boolean frame) {
    checkOpen();
    long encoding = TokenizersLibrary.LIB.encode(handle, text, frame);
    try {
      return Arrays.stream(TokenizersLibrary.LIB.getTokenIds(encoding))
          .mapToInt(Math::toIntExact)
          .toArray();
    } finally {
      TokenizersLibrary.LIB.deleteEncoding(encoding);
    }
  }

  /** The text of tokens; special ones and ids without a token give none. */
  synchronized String decode(int[] tokens) {
    checkOpen();
    long[] ids = new long[tokens.length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = tokens[i];
    }
    return TokenizersLibrary.LIB.decode(handle, ids, true);
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the tokenizer is closed");
    }
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      TokenizersLibrary.LIB.deleteTokenizer(handle);
    }
  }
}
