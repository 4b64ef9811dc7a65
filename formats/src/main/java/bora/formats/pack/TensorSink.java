package bora.formats.pack;

import bora.formats.RangeWriter;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Takes the bytes of one tensor in order, from one thread. Closing it after exactly the bytes that
 * the layout gives makes the tensor part of the pack.
 */
public final class TensorSink implements AutoCloseable {
  /** Told when the last byte is there. */
  interface Completion {
    void complete(Checksum checksum) throws IOException;
  }

  private final RangeWriter writer;
  private final long lengthBytes;
  private final Completion completion;
  private final Checksum.Running running = new Checksum.Running();
  private long writtenBytes;
  private boolean closed;

  TensorSink(RangeWriter writer, long lengthBytes, Completion completion) {
    this.writer = writer;
    this.lengthBytes = lengthBytes;
    this.completion = completion;
  }

  /**
   * Appends what remains in a buffer.
   *
   * @throws IllegalStateException when it is more than the layout has room for
   */
  public void append(ByteBuffer bytes) throws IOException {
    int length = bytes.remaining();
    if (length > lengthBytes - writtenBytes) {
      throw new IllegalStateException("more than the " + lengthBytes + " bytes laid out");
    }
    running.update(bytes);
    writer.append(bytes);
    writtenBytes += length;
  }

  /** Ends the tensor; without all its bytes it stays missing and the writer will not finish. */
  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    try (writer) {
      if (writtenBytes == lengthBytes) {
        writer.finish();
        completion.complete(running.end());
      }
    }
  }
}
