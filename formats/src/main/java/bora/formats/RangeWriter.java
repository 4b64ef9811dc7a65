package bora.formats;

import static bora.formats.UncachedChannel.BLOCK_BYTES;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Writes a range of a {@link PartialFile} in order, from one thread: its whole blocks past the
 * system's cache, where the file system has a way, what is before and behind them through it.
 */
public final class RangeWriter implements AutoCloseable {
  /**
   * So many because whoever waits for the disk holds the file: with 4 MiB a conversion that only
   * copies takes a seventh longer.
   */
  private static final int STAGING_BYTES = 16 << 20;

  private final OutputChannel channel;
  private final StagingBuffers.Loan loan;

  /** Begins at a block of the file; empty for a range that has no whole block. */
  private final ByteBuffer staging;

  /** Where the next byte goes that is not staged. */
  private long offsetBytes;

  RangeWriter(OutputChannel channel, long offsetBytes, long lengthBytes) {
    this.channel = channel;
    this.offsetBytes = offsetBytes;
    long capacity = Math.min(STAGING_BYTES, lengthBytes / BLOCK_BYTES * BLOCK_BYTES);
    this.loan = channel.stage((int) capacity);
    this.staging = loan.bytes();
  }

  /** Takes what remains in a buffer. */
  public void append(ByteBuffer bytes) throws IOException {
    if (staging.capacity() == 0) {
      writeCached(bytes);
      return;
    }
    int toBlock = (int) (-offsetBytes & (BLOCK_BYTES - 1));
    if (toBlock > 0) {
      writeCached(take(bytes, toBlock));
    }
    while (bytes.hasRemaining()) {
      staging.put(take(bytes, staging.remaining()));
      if (!staging.hasRemaining()) {
        finish();
      }
    }
  }

  /** Writes what is staged, after the last bytes or when there is no more room. */
  public void finish() throws IOException {
    staging.flip();
    ByteBuffer blocks = take(staging, staging.remaining() & -BLOCK_BYTES);
    int length = blocks.remaining();
    channel.writeBlocksAt(offsetBytes, blocks);
    offsetBytes += length;
    writeCached(staging);
    staging.clear();
  }

  private static ByteBuffer take(ByteBuffer bytes, int atMost) {
    int length = Math.min(atMost, bytes.remaining());
    ByteBuffer taken = bytes.slice(bytes.position(), length);
    bytes.position(bytes.position() + length);
    return taken;
  }

  private void writeCached(ByteBuffer bytes) throws IOException {
    int length = bytes.remaining();
    channel.writeAt(offsetBytes, bytes);
    offsetBytes += length;
  }

  /** Forgets what {@link #finish} has not written. */
  @Override
  public void close() {
    loan.close();
  }
}
