package bora.formats;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Optional;

/**
 * A file written past the system's page cache, whole blocks at a time. That leaves out a copy and
 * the memory for it, which cost more than all else that a conversion does with a byte, and leaves
 * the cache to the checkpoint that is read.
 *
 * @param blockBytes what offsets, lengths and addresses of the bytes written are multiples of
 */
record UncachedChannel(FileChannel channel, int blockBytes) {
  /** Where pages are larger than blocks, no page is written both ways. */
  private static final int MIN_BLOCK_BYTES = 4096;

  private static final int MAX_BLOCK_BYTES = 1 << 16;

  /** Found by name, for the compiler warns of every mention of what is outside the standard. */
  private static final Optional<OpenOption> DIRECT = direct();

  private static Optional<OpenOption> direct() {
    try {
      Object[] options = Class.forName("com.sun.nio.file.ExtendedOpenOption").getEnumConstants();
      return Arrays.stream(options)
          .filter(option -> option.toString().equals("DIRECT"))
          .map(OpenOption.class::cast)
          .findFirst();
    } catch (ClassNotFoundException e) {
      return Optional.empty();
    }
  }

  /** Opens a file that is there; empty where its file system writes through its cache only. */
  static Optional<UncachedChannel> open(Path path) {
    if (DIRECT.isEmpty()) {
      return Optional.empty();
    }
    try {
      long block = Math.max(MIN_BLOCK_BYTES, Files.getFileStore(path).getBlockSize());
      if (block > MAX_BLOCK_BYTES || Long.bitCount(block) != 1) {
        return Optional.empty();
      }
      FileChannel channel =
          FileChannel.open(path, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS, DIRECT.get());
      return Optional.of(new UncachedChannel(channel, (int) block));
    } catch (IOException | UnsupportedOperationException e) {
      // Each file system has its own way to say that it cannot; all can write the other way.
      return Optional.empty();
    }
  }
}
