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
 * Channels that write past the system's page cache, whole blocks at a time. That leaves out a copy
 * and the memory for it, which cost more than all else that a conversion does with a byte, and
 * leaves the cache to the checkpoint that is read.
 */
final class UncachedChannel {
  /**
   * What offsets, lengths and addresses of the bytes written are multiples of: no page of any
   * system and no block of a usual file system is larger, so that none is written both ways.
   */
  static final int BLOCK_BYTES = 1 << 16;

  /** Found by name, for the compiler warns of every mention of what is outside the standard. */
  private static final Optional<OpenOption> DIRECT = direct();

  private UncachedChannel() {}

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
  static Optional<FileChannel> open(Path path) {
    if (DIRECT.isEmpty()) {
      return Optional.empty();
    }
    try {
      long blockBytes = Files.getFileStore(path).getBlockSize();
      if (blockBytes <= 0 || BLOCK_BYTES % blockBytes != 0) {
        return Optional.empty();
      }
      return Optional.of(
          FileChannel.open(
              path, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS, DIRECT.get()));
    } catch (IOException | UnsupportedOperationException e) {
      // Each file system has its own way to say that it cannot; all can write the other way.
      return Optional.empty();
    }
  }
}
