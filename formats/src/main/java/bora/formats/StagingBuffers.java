package bora.formats;

import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Buffers that stage what is written to one file. Those given back are kept for who comes next, for
 * making and zeroing one costs as much as filling it. No more are kept than were once in use
 * together. For several threads.
 */
final class StagingBuffers implements AutoCloseable {
  private final int alignmentBytes;
  private final List<Buffer> idle = new ArrayList<>();
  private boolean closed;

  /**
   * @param alignmentBytes of the buffers' addresses
   */
  StagingBuffers(int alignmentBytes) {
    this.alignmentBytes = alignmentBytes;
  }

  /** One buffer and its memory. */
  private record Buffer(Arena arena, ByteBuffer bytes) {}

  /**
   * A buffer on loan. For one thread.
   *
   * @see #take
   */
  final class Loan implements AutoCloseable {
    private final Buffer buffer;
    private final ByteBuffer bytes;
    private boolean returned;

    private Loan(Buffer buffer, int capacity) {
      this.buffer = buffer;
      this.bytes = buffer.bytes().slice(0, capacity);
    }

    /** The bytes, of any content. */
    ByteBuffer bytes() {
      return bytes;
    }

    /** Gives the buffer back. */
    @Override
    public void close() {
      if (!returned) {
        returned = true;
        giveBack(buffer);
      }
    }
  }

  /** Lends a buffer of a capacity. */
  synchronized Loan take(int capacity) {
    Buffer smallest = null;
    for (Buffer buffer : idle) {
      int found = buffer.bytes().capacity();
      if (found >= capacity && (smallest == null || found < smallest.bytes().capacity())) {
        smallest = buffer;
      }
    }
    if (smallest == null) {
      // What is idle was too small: kept beside a new one it would only add to the memory in use.
      release();
      return new Loan(make(capacity), capacity);
    }
    idle.remove(smallest);
    return new Loan(smallest, capacity);
  }

  @SuppressWarnings("MustBeClosedChecker") // by release()
  private Buffer make(int capacity) {
    Arena arena = Arena.ofShared();
    return new Buffer(arena, arena.allocate(capacity, alignmentBytes).asByteBuffer());
  }

  private synchronized void giveBack(Buffer buffer) {
    idle.add(buffer);
    if (closed) {
      release();
    }
  }

  private void release() {
    idle.forEach(buffer -> buffer.arena().close());
    idle.clear();
  }

  /** Frees all buffers, those on loan when they are given back. */
  @Override
  public synchronized void close() {
    closed = true;
    release();
  }
}
