package bora.formats.pack;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
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
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Writes a pack beside its final name and renames it when it is whole, so that a file under that
 * name is always whole and an older one is replaced only by a whole one. Different tensors may be
 * written by different threads; the bytes do not depend on who came first.
 */
public final class PackWriter implements AutoCloseable {
  private static final String PARTIAL_SUFFIX = ".partial";

  private final Path out;
  private final Path partial;
  private final PackLayout layout;
  private final FileChannel channel;
  private final Map<TensorKey, Checksum> tensorSums = new ConcurrentHashMap<>();
  private final Map<String, Checksum> attachmentSums = new ConcurrentHashMap<>();
  private boolean finished;

  private PackWriter(Path out, Path partial, PackLayout layout, FileChannel channel) {
    this.out = out;
    this.partial = partial;
    this.layout = layout;
    this.channel = channel;
  }

  /**
   * Opens {@code <out>.partial} and locks it.
   *
   * @throws IOException when the directory is not there, has too little space, or another process
   *     writes the same pack
   */
  public static PackWriter create(Path out, PackLayout layout) throws IOException {
    Path directory = out.toAbsolutePath().getParent();
    if (directory == null || !Files.isDirectory(directory)) {
      throw new NoSuchFileException(
          out.toString(), null, "cannot write there: the directory does not exist");
    }
    if (Files.isDirectory(out)) {
      throw new FileAlreadyExistsException(
          out.toString(), null, "expected a file name for the pack, found a directory");
    }
    requireSpace(out, directory, layout.manifestOffsetBytes());
    Path partial = out.resolveSibling(out.getFileName() + PARTIAL_SUFFIX);
    FileChannel channel =
        FileChannel.open(
            partial, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    try {
      lock(channel, partial, out);
      channel.truncate(0);
      PackWriter writer = new PackWriter(out, partial, layout, channel);
      writer.writeAt(0, ByteBuffer.wrap(PackFormat.header(Encoding.ALIGNMENT_BYTES)));
      return writer;
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  private static void requireSpace(Path out, Path directory, long neededBytes) throws IOException {
    long usableBytes = Files.getFileStore(directory).getUsableSpace();
    if (usableBytes < neededBytes) {
      throw new IOException(
          out
              + ": too little space on the disk: expected at least "
              + neededBytes
              + " bytes, found "
              + usableBytes);
    }
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

  /** Where the bytes go until the pack is whole. */
  public Path partial() {
    return partial;
  }

  /** The sink for one tensor's encoded bytes. */
  public TensorSink tensor(TensorKey key) {
    ByteRange range = layout.tensors().get(key);
    if (range == null) {
      throw new IllegalArgumentException("the layout has no tensor " + key);
    }
    return new TensorSink(this, range, checksum -> tensorSums.put(key, checksum));
  }

  /** Writes an attachment whole. */
  public void attach(String name, ByteBuffer bytes) throws IOException {
    ByteRange range = layout.attachments().get(name);
    if (range == null || range.lengthBytes() != bytes.remaining()) {
      throw new IllegalArgumentException(
          name + ": expected " + range + ", found " + bytes.remaining() + " bytes");
    }
    Checksum.Running running = new Checksum.Running();
    running.update(bytes);
    writeAt(range.offsetBytes(), bytes);
    attachmentSums.put(name, running.end());
  }

  void writeAt(long offsetBytes, ByteBuffer bytes) throws IOException {
    long position = offsetBytes;
    while (bytes.hasRemaining()) {
      position += channel.write(bytes, position);
    }
  }

  /**
   * Writes manifest and footer, syncs and renames.
   *
   * @throws IllegalStateException when a tensor or attachment is missing
   */
  public void finish(Provenance provenance) throws IOException {
    if (!tensorSums.keySet().equals(layout.tensors().keySet())
        || !attachmentSums.keySet().equals(layout.attachments().keySet())) {
      throw new IllegalStateException("not everything that the layout names was written");
    }
    byte[] manifest =
        ManifestJson.write(PackManifest.of(layout, tensorSums, attachmentSums, provenance));
    long offsetBytes = layout.manifestOffsetBytes();
    writeAt(offsetBytes, ByteBuffer.wrap(manifest));
    writeAt(
        offsetBytes + manifest.length, ByteBuffer.wrap(PackFormat.footer(offsetBytes, manifest)));
    channel.force(true);
    Files.move(partial, out, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    finished = true;
    syncDirectory(out.toAbsolutePath().getParent());
  }

  /** Without this a crash right after the rename could undo it. */
  private static void syncDirectory(Path directory) throws IOException {
    try (FileChannel handle = FileChannel.open(directory, StandardOpenOption.READ)) {
      handle.force(true);
    }
  }

  /** Removes what was written unless the pack was finished. */
  @Override
  public void close() throws IOException {
    if (!finished) {
      Files.deleteIfExists(partial);
    }
    channel.close();
  }
}
