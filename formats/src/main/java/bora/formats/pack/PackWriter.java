package bora.formats.pack;

import bora.formats.CorruptFileException;
import bora.formats.PartialFile;
import bora.formats.Sha256;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
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
  private static final String JOURNAL_SUFFIX = ".journal";

  private final PackLayout layout;
  private final Optional<LayoutPart> part;
  private final PartialFile file;
  private final Optional<PackJournal> journal;
  private final boolean resumable;
  private final Map<TensorKey, Checksum> tensorSums = new ConcurrentHashMap<>();
  private final Map<String, Checksum> attachmentSums = new ConcurrentHashMap<>();
  private volatile boolean finished;

  private PackWriter(
      PackLayout layout,
      Optional<LayoutPart> part,
      PartialFile file,
      Optional<PackJournal> journal,
      boolean resumable) {
    this.layout = layout;
    this.part = part;
    this.file = file;
    this.journal = journal;
    this.resumable = resumable;
  }

  /**
   * Opens {@code <out>.partial} and locks it; keeps no journal.
   *
   * @throws IOException when the directory is not there, has too little space, or another process
   *     writes the same pack
   */
  public static PackWriter create(Path out, PackLayout layout) throws IOException {
    return open(out, layout, Optional.empty(), Optional.empty(), false);
  }

  /**
   * Opens {@code <out>.partial} anew and locks it, with a journal beside it.
   *
   * @param work tells what is written from every other: with the same work and layout the bytes are
   *     the same
   * @throws IOException as {@link #create(Path, PackLayout)}
   */
  public static PackWriter create(Path out, PackLayout layout, String work) throws IOException {
    return open(out, layout, Optional.empty(), Optional.of(work), false);
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
    return open(out, layout, Optional.empty(), Optional.of(work), true);
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
    return open(
        part.file(out), part.layout(), Optional.of(part), Optional.of(part.work(work)), resume);
  }

  private static PackWriter open(
      Path out, PackLayout layout, Optional<LayoutPart> part, Optional<String> work, boolean resume)
      throws IOException {
    PartialFile file = PartialFile.open(out);
    try {
      Path journalFile = out.resolveSibling(file.path().getFileName() + JOURNAL_SUFFIX);
      Optional<String> identity = work.map(text -> identity(layout, text));
      Optional<PackJournal> journal = Optional.empty();
      if (resume && file.byteSize() > 0) {
        journal = PackJournal.resume(journalFile, identity.orElseThrow());
      }
      if (journal.isEmpty()) {
        journal = begin(file, journalFile, identity);
      }
      PackWriter writer = new PackWriter(layout, part, file, journal, resume);
      writer.prepare();
      return writer;
    } catch (IOException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  /** In this order, so that a journal never tells of a file that was not begun with it. */
  private static Optional<PackJournal> begin(
      PartialFile file, Path journalFile, Optional<String> identity) throws IOException {
    Files.deleteIfExists(journalFile);
    file.truncate(0);
    try {
      return identity.isEmpty()
          ? Optional.empty()
          : Optional.of(PackJournal.start(journalFile, identity.get()));
    } catch (IOException e) {
      Files.deleteIfExists(journalFile);
      file.delete();
      throw e;
    }
  }

  /** What an interrupted writer left behind the tensors was its last step. */
  private void prepare() throws IOException {
    try {
      file.truncate(part.map(LayoutPart::lengthBytes).orElse(layout.manifestOffsetBytes()));
      file.requireSpace(missingBytes());
      if (part.isEmpty()) {
        byte[] header = PackFormat.header(Encoding.ALIGNMENT_BYTES, layout.requiredFeatures());
        file.writeAt(0, ByteBuffer.wrap(header));
      }
    } catch (IOException e) {
      close();
      throw e;
    }
  }

  private long missingBytes() {
    long bytes = part.map(LayoutPart::lengthBytes).orElse(layout.manifestOffsetBytes());
    for (Map.Entry<TensorKey, ByteRange> tensor : layout.tensors().entrySet()) {
      if (journal.flatMap(lines -> lines.tensor(tensor.getKey())).isPresent()) {
        bytes -= tensor.getValue().lengthBytes();
      }
    }
    return bytes;
  }

  static String identity(PackLayout layout, String work) {
    StringBuilder text = new StringBuilder(work);
    for (Map.Entry<TensorKey, ByteRange> tensor : layout.tensors().entrySet()) {
      Encoding encoding = layout.encodings().get(tensor.getKey());
      text.append('\n').append(tensor.getKey().id()).append(' ').append(encoding.jsonName());
      text.append(' ').append(tensor.getValue());
    }
    text.append('\n').append(layout.attachments());
    text.append('\n').append(layout.requiredFeatures());
    return Sha256.of(text.toString().getBytes(StandardCharsets.UTF_8));
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
    if (journal.isPresent()) {
      journal.get().recordTensor(key, checksum);
    }
    tensorSums.put(key, checksum);
  }

  /**
   * Takes over a tensor that the interrupted writer wrote, after reading it back.
   *
   * @return whether it is there, whole; if not, it is to be written
   */
  public boolean recover(TensorKey key) throws IOException {
    Optional<Checksum> recorded = journal.flatMap(lines -> lines.tensor(key));
    ByteRange range = inFile(layout.tensors().get(key));
    if (recorded.isEmpty()
        || !file.crc32c(range.offsetBytes(), range.lengthBytes())
            .equals(Optional.of(recorded.get().crc32c()))) {
      return false;
    }
    tensorSums.put(key, recorded.get());
    return true;
  }

  /**
   * Reads back a tensor that was written or recovered.
   *
   * @param bytes receives it, as many as it has
   * @return whether there is one
   */
  public boolean read(TensorKey key, MemorySegment bytes) throws IOException {
    if (!tensorSums.containsKey(key)) {
      return false;
    }
    ByteRange range = inFile(layout.tensors().get(key));
    for (long done = 0; done < range.lengthBytes(); done += READ_BYTES) {
      long length = Math.min(READ_BYTES, range.lengthBytes() - done);
      if (!file.readAt(range.offsetBytes() + done, bytes.asSlice(done, length).asByteBuffer())) {
        throw new CorruptFileException(partial(), "shorter than was written");
      }
    }
    return true;
  }

  /** The SHA-256 of a source file as the interrupted writer was told it. */
  public Optional<String> recoverSource(String name) {
    return journal.flatMap(lines -> lines.source(name));
  }

  /** Tells the journal the SHA-256 of a source file. */
  public void recordSource(String name, String sha256) throws IOException {
    if (journal.isPresent()) {
      journal.get().recordSource(name, sha256);
    }
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

  private void writeAt(long offsetBytes, ByteBuffer bytes) throws IOException {
    file.writeAt(offsetBytes - startBytes(), bytes);
  }

  /** The byte of the pack that the file begins with. */
  private long startBytes() {
    return part.map(LayoutPart::startBytes).orElse(0L);
  }

  private ByteRange inFile(ByteRange range) {
    return new ByteRange(range.offsetBytes() - startBytes(), range.lengthBytes());
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
    journal.orElseThrow().keep(PackParts.journalOf(file.out()));
    file.commit();
    finished = true;
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
    file.commit();
    finished = true;
    if (journal.isPresent()) {
      journal.get().delete();
    }
  }

  /**
   * Removes what was written, unless the pack was finished or this writer was to resume. Others may
   * write meanwhile, as when the process is told to end; their bytes then go nowhere.
   */
  public void discard() throws IOException {
    if (!finished && !resumable) {
      // In this order: once the file is gone, another writer may begin both.
      if (journal.isPresent()) {
        journal.get().delete();
      }
      file.delete();
    }
  }

  /** Discards what was not finished and lets other writers come. */
  @Override
  public void close() throws IOException {
    try {
      discard();
      if (journal.isPresent()) {
        journal.get().close();
      }
    } finally {
      file.close();
    }
  }
}
