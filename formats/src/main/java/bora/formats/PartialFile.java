package bora.formats;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.Optional;
import java.util.function.Function;
import java.util.zip.CRC32C;

/**
 * The file beside an output that becomes the output when it is whole, locked while it is open: the
 * one way in which bora writes what must never be half there. Links are not followed: neither what
 * {@code <out>.partial} nor what the output itself may point to is written.
 */
public final class PartialFile implements AutoCloseable {
  private static final String SUFFIX = ".partial";
  private static final int CHUNK_BYTES = 1 << 20;

  private final Path out;
  private final Path path;
  private final OutputChannel channel;
  private volatile boolean committed;

  private PartialFile(Path out, Path path, OutputChannel channel) {
    this.out = out;
    this.path = path;
    this.channel = channel;
  }

  /** Writes the whole of a file, in order. */
  @FunctionalInterface
  public interface Body {
    /**
     * @param file empty
     */
    void writeTo(PartialFile file) throws IOException;
  }

  /**
   * Writes an output anew. Where that fails or the process is told to end, nothing is left of it.
   *
   * @throws IOException as {@link #open}, or when it cannot be written
   */
  public static void write(Path out, Body body) throws IOException {
    try (PartialFile file = open(out);
        OnShutdown _ = OnShutdown.run(file::deleteQuietly)) {
      try {
        file.truncate(0);
        body.writeTo(file);
        file.commit();
      } catch (IOException | RuntimeException | Error e) {
        file.deleteQuietly();
        throw e;
      }
    }
  }

  /** As {@link #write(Path, Body)}. */
  public static void write(Path out, byte[] content) throws IOException {
    write(out, file -> file.append(ByteBuffer.wrap(content)));
  }

  /**
   * Opens {@code <out>.partial}, as it is where it exists.
   *
   * @throws IOException when the directory is not there, the output is something else than a file,
   *     or another process writes the same output
   */
  public static PartialFile open(Path out) throws IOException {
    return open(out, UncachedChannel::open);
  }

  /**
   * @param uncached opens the channel past the cache, empty where there is none
   */
  static PartialFile open(Path out, Function<Path, Optional<FileChannel>> uncached)
      throws IOException {
    if (!Files.isDirectory(directory(out))) {
      throw new NoSuchFileException(
          out.toString(), null, "cannot write there: the directory does not exist");
    }
    if (Files.exists(out) && !Files.isRegularFile(out)) {
      throw new FileAlreadyExistsException(
          out.toString(),
          null,
          "expected the name of a file to write, found "
              + (Files.isDirectory(out) ? "a directory" : "a device or the like"));
    }
    Path path = out.resolveSibling(out.getFileName() + SUFFIX);
    return new PartialFile(out, path, SoleWriter.open(path, out, uncached));
  }

  private static Path directory(Path out) {
    return out.toAbsolutePath().normalize().getParent();
  }

  /** Where the bytes go until the output is whole. */
  public Path path() {
    return path;
  }

  /** What the file becomes. */
  public Path out() {
    return out;
  }

  public long byteSize() throws IOException {
    return channel.byteSize();
  }

  /** Cuts the file to a length, if it is longer. */
  public void truncate(long bytes) throws IOException {
    channel.truncate(bytes);
  }

  /**
   * @throws IOException when the disk has too little space
   */
  public void requireSpace(long neededBytes) throws IOException {
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

  /** Begins to write a range in order, which is faster than {@link #writeAt} for long ones. */
  public RangeWriter range(long offsetBytes, long lengthBytes) {
    return new RangeWriter(channel, offsetBytes, lengthBytes);
  }

  /** Writes all the bytes that remain in a buffer. */
  public void writeAt(long offsetBytes, ByteBuffer bytes) throws IOException {
    channel.writeAt(offsetBytes, bytes);
  }

  /** Writes all the bytes that remain in a buffer behind what stands there. */
  public void append(ByteBuffer bytes) throws IOException {
    writeAt(byteSize(), bytes);
  }

  /**
   * Reads bytes back until a buffer is full.
   *
   * @return whether there were as many
   */
  public boolean readAt(long offsetBytes, ByteBuffer bytes) throws IOException {
    return channel.readAt(offsetBytes, bytes);
  }

  /** The CRC32C of a range, in hexadecimal digits; empty where the file ends before. */
  public Optional<String> crc32c(long offsetBytes, long lengthBytes) throws IOException {
    CRC32C crc = new CRC32C();
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
    for (long done = 0; done < lengthBytes; done += chunk.limit()) {
      chunk.clear().limit((int) Math.min(CHUNK_BYTES, lengthBytes - done));
      if (!readAt(offsetBytes + done, chunk)) {
        return Optional.empty();
      }
      crc.update(chunk.flip());
    }
    return Optional.of(HexFormat.of().toHexDigits((int) crc.getValue()));
  }

  /** Makes the file durable under its final name, in place of what stood there. */
  public void commit() throws IOException {
    channel.force();
    Files.move(path, out, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    committed = true;
    // Without this a crash right after the rename could undo it.
    try (FileChannel handle = FileChannel.open(directory(out), StandardOpenOption.READ)) {
      handle.force(true);
    }
  }

  /** Removes the file, unless it has become the output. */
  public void delete() throws IOException {
    if (!committed) {
      Files.deleteIfExists(path);
    }
  }

  /** For where there is nobody to tell that it could not be deleted, or something worse to tell. */
  private void deleteQuietly() {
    try {
      delete();
    } catch (IOException e) {
      // It stays, under a name that says what it is.
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
