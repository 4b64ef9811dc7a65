package bora.formats.pack;

import bora.formats.CorruptFileException;
import bora.formats.PartialFile;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Writes a pack beside its final name and renames it when it is whole, so that a file under that
 * name is always whole and an older one is replaced only by a whole one. Different tensors may be
 * written by different threads; the bytes do not depend on who came first.
 *
 * <p>A writer with a journal lets a later one continue what it wrote before it was killed.
 */
public final class PackWriter implements AutoCloseable {
  private static final int READ_BYTES = 1 << 20;

  private final PackLayout layout;
  private final Optional<LayoutPart> part;
  private final JournaledFile journaled;
  private final PartialFile file;
  private final Map<TensorKey, Checksum> tensorSums = new ConcurrentHashMap<>();
  private final Map<String, Checksum> attachmentSums = new ConcurrentHashMap<>();

  private PackWriter(PackLayout layout, Optional<LayoutPart> part, JournaledFile journaled) {
    this.layout = layout;
    this.part = part;
    this.journaled = journaled;
    this.file = journaled.file();
  }

  /**
   * Opens {@code <out>.partial} and locks it; keeps no journal.
   *
   * @throws IOException when the directory is not there, has too little space, or another process
   *     writes the same pack
   */
  public static PackWriter create(Path out, PackLayout layout) throws IOException {
    return open(layout, Optional.empty(), JournaledFile.open(out, Optional.empty(), false));
  }

  /**
   * Opens {@code <out>.partial} anew and locks it, with a journal beside it.
   *
   * @param work tells what is written from every other: with the same work and layout the bytes are
   *     the same
   * @throws IOException as {@link #create(Path, PackLayout)}
   */
  public static PackWriter create(Path out, PackLayout layout, String work) throws IOException {
    return journaled(out, layout, work, false);
  }

  /**
   * Continues what an interrupted writer left, or begins where there is nothing to continue. What
   * this writer does not finish stays as well.
   *
   * @param work as it was given to the interrupted writer
   * @throws bora.formats.MismatchedArtifactException when what was left is of other work; it is not
   *     touched
   * @throws IOException as {@link #create(Path, PackLayout)}
   */
  public static PackWriter resume(Path out, PackLayout layout, String work) throws IOException {
    return journaled(out, layout, work, true);
  }

  private static PackWriter journaled(Path out, PackLayout layout, String work, boolean resume)
      throws IOException {
    Optional<String> identity = Optional.of(layout.identity(work));
    return open(layout, Optional.empty(), JournaledFile.open(out, identity, resume));
  }

  /**
   * Opens one part of a pack, which becomes {@link LayoutPart#file} when it is whole, with its
   * journal beside it for {@link PackParts}.
   *
   * @param out the pack that the part is of
   * @param resume whether to continue what an interrupted writer left
   * @throws IOException as {@link #create(Path, PackLayout)}
   */
  public static PackWriter ofPart(Path out, LayoutPart part, String work, boolean resume)
      throws IOException {
    Optional<String> identity = Optional.of(part.identity(work));
    JournaledFile journaled = JournaledFile.open(part.file(out), identity, resume);
    return open(part.layout(), Optional.of(part), journaled);
  }

  private static PackWriter open(
      PackLayout layout, Optional<LayoutPart> part, JournaledFile journaled) throws IOException {
    PackWriter writer = new PackWriter(layout, part, journaled);
    try {
      writer.prepare();
      return writer;
    } catch (IOException | RuntimeException e) {
      writer.close();
      throw e;
    }
  }

  /** What an interrupted writer left behind the tensors was its last step. */
  private void prepare() throws IOException {
    file.truncate(tensorsEndBytes());
    file.requireSpace(missingBytes());
    if (part.isEmpty()) {
      byte[] header = PackFormat.header(Encoding.ALIGNMENT_BYTES, layout.requiredFeatures());
      file.writeAt(0, ByteBuffer.wrap(header));
    }
  }

  /** Where the file ends before its last step. */
  private long tensorsEndBytes() {
    return part.map(LayoutPart::lengthBytes).orElse(layout.manifestOffsetBytes());
  }

  private long missingBytes() {
    long bytes = tensorsEndBytes();
    for (Map.Entry<TensorKey, ByteRange> tensor : layout.tensors().entrySet()) {
      if (journaled.recordedTensor(tensor.getKey()).isPresent()) {
        bytes -= tensor.getValue().lengthBytes();
      }
    }
    return bytes;
  }

  /** Where the bytes go until the pack is whole. */
  public Path partial() {
    return file.path();
  }

  /** The sink for one tensor's encoded bytes. */
  public TensorSink tensor(TensorKey key) {
    ByteRange range = layout.tensors().get(key);
    if (range == null) {
      throw new IllegalArgumentException("the layout has no tensor " + key);
    }
    ByteRange inFile = inFile(range);
    return new TensorSink(
        file.range(inFile.offsetBytes(), inFile.lengthBytes()),
        range.lengthBytes(),
        checksum -> complete(key, checksum));
  }

  private void complete(TensorKey key, Checksum checksum) throws IOException {
    journaled.recordTensor(key, checksum);
    tensorSums.put(key, checksum);
  }

  /**
   * Takes over a tensor that the interrupted writer wrote, after reading it back.
   *
   * @return whether it is there, whole; if not, it is to be written
   */
  public boolean recover(TensorKey key) throws IOException {
    Optional<Checksum> recorded = journaled.recordedTensor(key);
    ByteRange range = inFile(layout.tensors().get(key));
    if (recorded.isEmpty()
        || !file.crc32c(range.offsetBytes(), range.lengthBytes())
            .equals(Optional.of(recorded.get().crc32c()))) {
      return false;
    }
    tensorSums.put(key, recorded.get());
    return true;
  }

  /** Whether a tensor was written or recovered. */
  public boolean has(TensorKey key) {
    return tensorSums.containsKey(key);
  }

  /**
   * Reads back a tensor.
   *
   * @param bytes receives it, as many as it has
   * @throws IllegalArgumentException unless it was written or recovered
   */
  public void read(TensorKey key, MemorySegment bytes) throws IOException {
    if (!has(key)) {
      throw new IllegalArgumentException("not written yet: " + key);
    }
    ByteRange range = inFile(layout.tensors().get(key));
    for (long done = 0; done < range.lengthBytes(); done += READ_BYTES) {
      long length = Math.min(READ_BYTES, range.lengthBytes() - done);
      if (!file.readAt(range.offsetBytes() + done, bytes.asSlice(done, length).asByteBuffer())) {
        throw new CorruptFileException(partial(), "shorter than was written");
      }
    }
  }

  /** The SHA-256 of a source file as the interrupted writer was told it. */
  public Optional<String> recoverSource(String name) {
    return journaled.recordedSource(name);
  }

  /** Tells the journal the SHA-256 of a source file. */
  public void recordSource(String name, String sha256) throws IOException {
    journaled.recordSource(name, sha256);
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
    file.writeAt(range.offsetBytes(), bytes);
    attachmentSums.put(name, running.end());
  }

  private ByteRange inFile(ByteRange range) {
    return part.isEmpty() ? range : part.get().inFile(range);
  }

  /**
   * Ends a part: syncs and renames.
   *
   * @throws IllegalStateException when a tensor of the part is missing
   */
  public void finishPart() throws IOException {
    if (!tensorSums.keySet().equals(Set.copyOf(part.orElseThrow().tensors()))) {
      throw new IllegalStateException("not everything that the part names was written");
    }
    journaled.finishKeeping(PackParts.journalOf(file.out()));
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
    file.writeAt(offsetBytes, ByteBuffer.wrap(manifest));
    file.writeAt(
        offsetBytes + manifest.length, ByteBuffer.wrap(PackFormat.footer(offsetBytes, manifest)));
    journaled.finish();
  }

  /**
   * Removes what was written, unless the pack was finished or this writer was to resume. Others may
   * write meanwhile, as when the process is told to end; their bytes then go nowhere.
   */
  public void discard() throws IOException {
    journaled.discard();
  }

  /** Discards what was not finished and lets other writers come. */
  @Override
  public void close() throws IOException {
    journaled.close();
  }
}
