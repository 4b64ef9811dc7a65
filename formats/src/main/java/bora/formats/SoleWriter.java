package bora.formats;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Optional;
import java.util.function.Function;

/** Opens a partial file for one writer at a time, of this process or any other. */
final class SoleWriter {
  private SoleWriter() {}

  /**
   * Opens and locks a partial file, made where there is none.
   *
   * @param out what it is to become
   * @param uncached opens the channel past the cache, empty where there is none
   * @throws IOException when another writes it
   */
  static OutputChannel open(Path partial, Path out, Function<Path, Optional<FileChannel>> uncached)
      throws IOException {
    Object key = create(partial);
    FileChannel channel =
        FileChannel.open(
            partial, StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
    // Before the lock, which the system gives up when any channel of the file is closed.
    OutputChannel output = new OutputChannel(partial, channel, uncached.apply(partial));
    try {
      lock(channel, partial, key, out);
      return output;
    } catch (IOException | RuntimeException e) {
      output.close();
      throw e;
    }
  }

  /** Makes the file where there is none; returns what tells it from a later one of its name. */
  private static Object create(Path path) throws IOException {
    FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)
        .close();
    return key(path).orElseThrow(() -> new NoSuchFileException(path.toString()));
  }

  /** Empty where there is no such file. */
  private static Optional<Object> key(Path path) throws IOException {
    try {
      Object key =
          Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
              .fileKey();
      return Optional.of(key == null ? path : key);
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  /**
   * A writer that finished between our opening the partial file and our lock has renamed it: what
   * is locked then is that writer's whole output, not to be touched. Only a file that bears the
   * name before it is opened and after it is locked is certainly the one that was opened.
   *
   * @param key the file's before it was opened
   */
  static void lock(FileChannel channel, Path partial, Object key, Path out) throws IOException {
    FileLock lock;
    try {
      lock = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      throw new IOException(out + ": this process is writing it already", e);
    }
    if (lock == null) {
      throw new IOException(out + ": another process is writing it; wait, or choose another name");
    }
    if (!key(partial).equals(Optional.of(key))) {
      throw new IOException(out + ": another writer has just finished it");
    }
  }
}
