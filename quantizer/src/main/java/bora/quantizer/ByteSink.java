package bora.quantizer;

import java.io.IOException;
import java.nio.ByteBuffer;

/** Takes the bytes of one encoded tensor, in order. */
@FunctionalInterface
public interface ByteSink {
  /**
   * @param bytes all that remain in it are consumed before this returns; the buffer is used again
   */
  void append(ByteBuffer bytes) throws IOException;
}
