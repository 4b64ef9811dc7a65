package bora.formats.pack;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.Optional;
import java.util.zip.CRC32C;

/** The file beside an output that becomes the output when it is whole, locked while it is open. */
final class PartialFile implements AutoCloseable {
  private static final String SUFFIX = ".partial";
  private static final int CHUNK_BYTES = 1 << 20;

  private final Path out;
  private final Path path;
  private final FileChannel channel;

  private PartialFile(Path out, Path path, FileChannel channel) {
    this.out = out;
    this.path = path;
    this.channel = channel;
  }

  /**
   * Opens {@code <out>.partial}, as it is where it exists.
   *
   * @throws IOException when the directory is not there, or another process writes the same output
   */
  static PartialFile open(Path out) throws IOException {
    if (!Files.isDirectory(directory(out))) {
      throw new NoSuchFileException(
          out.toString(), null, "cannot write there: the directory does not exist");
    }
    if (Files.isDirectory(out)) {
      throw new FileAlreadyExistsException(
          out.toString(), null, "expected a file name for the pack, found a directory");
    }
    Path path = out.resolveSibling(out.getFileName() + SUFFIX);
    FileChannel channel =
        FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    try {
      lock(channel, path, out);
      return new PartialFile(out, path, channel);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  private static Path directory(Path out) {
    return out.toAbsolutePath().normalize().getParent();
  }

  /**
   * A writer that finished between our opening the partial file and our lock has renamed it: what
   * is locked then is that writer's whole pack, not to be touched.
   */
  static void lock(FileChannel channel, Path partial, Path out) throws IOException {
    FileLock lock;
    try {
      lock = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      throw new IOException(out + ": this process is writing it already", e);
    }
    if (lock == null) {
      throw new IOException(out + ": another process is writing it; wait, or choose another name");
    }
    if (!Files.exists(partial)) {
      throw new IOException(out + ": another writer has just finished it");
    }
  }

  Path path() {
    return path;
  }

  /** What the file becomes. */
  Path out() {
    return out;
  }

  long byteSize() throws IOException {
    return channel.size();
  }

  /** Cuts the file to a length, if it is longer. */
  void truncate(long bytes) throws IOException {
    channel.truncate(bytes);
  }

  void requireSpace(long neededBytes) throws IOException {
    long usableBytes = Files.getFileStore(directory(out)).getUsableSpace();
    if (usableBytes < neededBytes) {
      throw new IOException(
          out
              + ": too little space on the disk: expected at least "
              + neededBytes
              + " bytes, found "
              + usableBytes);
    }
  }

  void writeAt(long offsetBytes, ByteBuffer bytes) throws IOException {
    long position = offsetBytes;
    try {
      while (bytes.hasRemaining()) {
        position += channel.write(bytes, position);
      }
    } catch (IOException e) {
      throw new IOException(path + ": cannot be written: " + e.getMessage(), e);
    }
  }

  /** The CRC32C of a range, in hexadecimal digits; empty where the file ends before. */
  Optional<String> crc32c(ByteRange range) throws IOException {
    CRC32C crc = new CRC32C();
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
    for (long done = 0; done < range.lengthBytes(); ) {
      chunk.clear().limit((int) Math.min(CHUNK_BYTES, range.lengthBytes() - done));
      int read = channel.read(chunk, range.offsetBytes() + done);
      if (read < 0) {
        return Optional.empty();
      }
      crc.update(chunk.flip());
      done += read;
    }
    return Optional.of(HexFormat.of().toHexDigits((int) crc.getValue()));
  }

  /** Makes the file durable under its final name, in place of what stood there. */
  void commit() throws IOException {
    channel.force(true);
    Files.move(path, out, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    // Without this a crash right after the rename could undo it.
    try (FileChannel handle = FileChannel.open(directory(out), StandardOpenOption.READ)) {
      handle.force(true);
    }
  }

  void delete() throws IOException {
    Files.deleteIfExists(path);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
