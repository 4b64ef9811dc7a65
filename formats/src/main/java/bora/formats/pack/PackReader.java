package bora.formats.pack;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.ProgressListener;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.LittleEndian;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A mapped pack whose structure was checked when it was opened. Owns the mapping: after {@link
 * #close} no segment that it gave out may be used.
 */
public final class PackReader implements AutoCloseable {
  private static final long CHUNK_BYTES = 1L << 20;

  private final PackFile file;
  private final PackManifest manifest;

  private PackReader(PackFile file, PackManifest manifest) {
    this.file = file;
    this.manifest = manifest;
  }

  /**
   * Maps a pack, of one file or of shards, and checks everything but the tensors' checksums, in
   * time that does not grow with the weights.
   *
   * @param path of the file, or of any of the shards
   * @throws CorruptFileException when the structure is damaged, saying where
   * @throws bora.formats.UnsupportedVersionException when the pack is of another version
   * @throws java.nio.file.NoSuchFileException when the file or a shard is not there
   */
  public static PackReader open(Path path) throws IOException {
    return MappedFile.openAll(PackFile.files(path), mappings -> of(PackFile.of(path, mappings)));
  }

  static PackReader of(PackFile file) throws IOException {
    return new PackReader(file, new PackStructure(file).check());
  }

  /** Whether a file, or the first shard beside it, begins as a pack does. */
  public static boolean isPack(Path path) throws IOException {
    Path first = PackFile.files(path).getFirst();
    if (!Files.isRegularFile(first)) {
      return false;
    }
    try (InputStream in = Files.newInputStream(first)) {
      byte[] magic = in.readNBytes(Long.BYTES);
      return magic.length == Long.BYTES
          && PackStructure.beginsWithMagic(LittleEndian.buffer(magic));
    }
  }

  public Path path() {
    return file.path();
  }

  /** The files that the pack consists of, in order. */
  public List<Path> files() {
    return PackFile.files(path());
  }

  /** The pack's bytes as they stand in its files, in as many segments as they lie in files. */
  public List<MemorySegment> bytes(ByteRange range) {
    return file.segments(range);
  }

  /** Length of the file, or of all shards. */
  public long byteSize() {
    return file.byteSize();
  }

  public PackManifest manifest() {
    return manifest;
  }

  public ModelConfig config() {
    return manifest.config();
  }

  /**
   * A tensor as it stands in the pack.
   *
   * @throws IllegalArgumentException when the model has no such tensor
   */
  public EncodedTensor tensor(TensorKey key) {
    PackEntry entry = manifest.entries().get(key);
    if (entry == null) {
      throw new IllegalArgumentException("the pack has no tensor " + key);
    }
    return new EncodedTensor(entry.encoding(), entry.shape(), file.slice(entry.range()));
  }

  /** The bytes of an attachment, where there is one of that name. */
  public Optional<MemorySegment> attachment(String name) {
    return Optional.ofNullable(manifest.attachments().get(name))
        .map(attachment -> file.slice(attachment.range()));
  }

  /** Bytes that {@link #checkIntegrity} reads. */
  public long integrityBytes() {
    return manifest.weightBytes()
        + manifest.attachments().values().stream()
            .mapToLong(attachment -> attachment.range().lengthBytes())
            .sum();
  }

  /** A range whose checksums are to be taken. */
  private record Checked(String name, ByteRange range, Checksum expected) {}

  /**
   * Reads the whole pack and compares every checksum, on all processors.
   *
   * @param progress told the bytes read
   * @throws CorruptFileException naming every damaged tensor and attachment
   * @throws IOException when the file is cut short meanwhile, or its disk fails
   */
  public void checkIntegrity(ProgressListener progress) throws IOException {
    List<Checked> all = new ArrayList<>();
    for (PackEntry entry : manifest.entries().values()) {
      all.add(new Checked(entry.key().toString(), entry.range(), entry.checksum()));
    }
    for (PackAttachment attachment : manifest.attachments().values()) {
      all.add(
          new Checked(
              "attachment " + attachment.name(), attachment.range(), attachment.checksum()));
    }
    List<String> damaged;
    try {
      damaged =
          all.parallelStream()
              .filter(checked -> !checksum(checked.range(), progress).equals(checked.expected()))
              .map(Checked::name)
              .toList();
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    }
    if (!damaged.isEmpty()) {
      throw new CorruptFileException(
          file.path(),
          "damaged: "
              + String.join(", ", damaged)
              + ": the bytes are not those that were written; copy or convert it again");
    }
  }

  /**
   * Takes the sums of a copy: where a mapped file was cut short, copying fails with an error, but
   * the processor's own checksum instructions would end the virtual machine.
   */
  private Checksum checksum(ByteRange range, ProgressListener progress) {
    Checksum.Running running = new Checksum.Running();
    MemorySegment bytes = file.slice(range);
    byte[] chunk = new byte[(int) Math.min(CHUNK_BYTES, bytes.byteSize())];
    for (long done = 0; done < bytes.byteSize(); done += chunk.length) {
      int length = (int) Math.min(chunk.length, bytes.byteSize() - done);
      MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, done, chunk, 0, length);
      running.update(ByteBuffer.wrap(chunk, 0, length));
      progress.advance(length);
    }
    return running.end();
  }

  /** Unmaps the pack. */
  @Override
  public void close() {
    file.close();
  }
}
