package bora.formats;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The channels of a file that is written: one through the system's cache and, where the file system
 * has it, one past it. For several threads.
 */
final class OutputChannel implements AutoCloseable {
  private final Path path;
  private final FileChannel cached;
  private final Optional<FileChannel> uncached;

  private final StagingBuffers staging = new StagingBuffers(UncachedChannel.BLOCK_BYTES);

  /** The system writes to a file one by one, and lets a processor do nothing but wait for it. */
  private final Lock writing = new ReentrantLock();

  /**
   * @param path for messages
   * @param cached to read and write, closed with this
   * @param uncached to write, closed with this
   */
  OutputChannel(Path path, FileChannel cached, Optional<FileChannel> uncached) {
    this.path = path;
    this.cached = cached;
    this.uncached = uncached;
  }

  long byteSize() throws IOException {
    return cached.size();
  }

  /** Cuts the file to a length, if it is longer. */
  void truncate(long bytes) throws IOException {
    cached.truncate(bytes);
  }

  /** Makes durable what was written. */
  void force() throws IOException {
    cached.force(true);
  }

  /** Writes all the bytes that remain in a buffer. */
  void writeAt(long offsetBytes, ByteBuffer bytes) throws IOException {
    writeAt(cached, offsetBytes, bytes);
  }

  /** What {@link #writeBlocksAt} takes: begins at a block of memory. */
  StagingBuffers.Loan stage(int capacity) {
    return staging.take(capacity);
  }

  /** Writes blocks, aligned in the file and in memory, past the system's cache. */
  void writeBlocksAt(long offsetBytes, ByteBuffer blocks) throws IOException {
    if (uncached.isPresent()) {
      try {
        writeAt(uncached.get(), offsetBytes, blocks.duplicate());
        return;
      } catch (IOException e) {
        // Some file systems open such a channel and then refuse it; a full disk refuses both.
      }
    }
    writeAt(cached, offsetBytes, blocks);
  }

  private void writeAt(FileChannel to, long offsetBytes, ByteBuffer bytes) throws IOException {
    long position = offsetBytes;
    writing.lock();
    try {
      while (bytes.hasRemaining()) {
        position += to.write(bytes, position);
      }
    } catch (IOException e) {
      throw new IOException(path + ": cannot be written: " + e.getMessage(), e);
    } finally {
      writing.unlock();
    }
  }

  /**
   * Reads bytes back until a buffer is full.
   *
   * @return whether there were as many
   */
  boolean readAt(long offsetBytes, ByteBuffer bytes) throws IOException {
    long position = offsetBytes;
    try {
      while (bytes.hasRemaining()) {
        int read = cached.read(bytes, position);
        if (read < 0) {
          return false;
        }
        position += read;
      }
      return true;
    } catch (IOException e) {
      throw new IOException(path + ": cannot be read: " + e.getMessage(), e);
    }
  }

  @Override
  public void close() throws IOException {
    try (cached;
        staging) {
      if (uncached.isPresent()) {
        uncached.get().close();
      }
    }
  }
}
