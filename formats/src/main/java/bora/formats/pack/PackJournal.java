package bora.formats.pack;

import bora.formats.MismatchedArtifactException;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * A journal that is written: what an earlier writer told it, and room for more behind. Lines go out
 * in one piece, from any thread.
 */
final class PackJournal implements AutoCloseable {
  private final Path file;
  private final FileChannel channel;
  private final JournalContent recorded;

  private PackJournal(Path file, FileChannel channel, JournalContent recorded) {
    this.file = file;
    this.channel = channel;
    this.recorded = recorded;
  }

  /** Begins a journal where there is none. */
  static PackJournal start(Path file, String work) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    PackJournal journal = new PackJournal(file, channel, JournalContent.begun());
    try {
      journal.append(JournalContent.title(work));
      return journal;
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  /**
   * Continues a journal behind its last whole line.
   *
   * @return empty where there is none, or none whose first line is whole
   * @throws MismatchedArtifactException when it is of other work
   */
  static Optional<PackJournal> resume(Path file, String work) throws IOException {
    Optional<JournalContent> content = JournalContent.read(file, work);
    if (content.isEmpty()) {
      return Optional.empty();
    }
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
    try {
      long end = content.get().wholeBytes();
      channel.truncate(end).position(end);
      return Optional.of(new PackJournal(file, channel, content.get()));
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  /** What an earlier writer told. */
  JournalContent recorded() {
    return recorded;
  }

  void recordTensor(TensorKey key, Checksum checksum) throws IOException {
    append(JournalContent.ofTensor(key, checksum));
  }

  void recordSource(String name, String sha256) throws IOException {
    append(JournalContent.ofSource(name, sha256));
  }

  private synchronized void append(String line) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(JournalContent.line(line));
    try {
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
    } catch (IOException e) {
      throw new IOException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  /** Makes the journal durable under another name, for who reads it later. */
  void keep(Path name) throws IOException {
    channel.force(true);
    Files.move(file, name, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  void delete() throws IOException {
    Files.deleteIfExists(file);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
