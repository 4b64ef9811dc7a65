package bora.formats.pack;

import bora.formats.PartialFile;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A partial file and the journal beside it, if one is kept: begun, continued, finished and
 * discarded together, each in the order that leaves no journal of a file that it does not tell of.
 */
final class JournaledFile implements AutoCloseable {
  private static final String JOURNAL_SUFFIX = ".journal";

  private final PartialFile file;
  private final Optional<PackJournal> journal;
  private final boolean resumable;
  private volatile boolean finished;

  private JournaledFile(PartialFile file, Optional<PackJournal> journal, boolean resumable) {
    this.file = file;
    this.journal = journal;
    this.resumable = resumable;
  }

  /**
   * Opens and locks the partial file of an output.
   *
   * @param identity of what is written; without one no journal is kept
   * @param resume whether to continue what a writer of the same identity left, and to leave what
   *     this one does not finish
   * @throws bora.formats.MismatchedArtifactException when what was left is of another identity; it
   *     is not touched
   * @throws IOException as {@link PartialFile#open}
   */
  static JournaledFile open(Path out, Optional<String> identity, boolean resume)
      throws IOException {
    PartialFile file = PartialFile.open(out);
    try {
      Path journalFile = out.resolveSibling(file.path().getFileName() + JOURNAL_SUFFIX);
      Optional<PackJournal> journal = Optional.empty();
      if (resume && file.byteSize() > 0) {
        journal = PackJournal.resume(journalFile, identity.orElseThrow());
      }
      if (journal.isEmpty()) {
        journal = begin(file, journalFile, identity);
      }
      return new JournaledFile(file, journal, resume);
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

  PartialFile file() {
    return file;
  }

  /** The checksum of a tensor that an earlier writer wrote. */
  Optional<Checksum> recordedTensor(TensorKey key) {
    return journal.flatMap(lines -> lines.recorded().tensor(key));
  }

  /** The SHA-256 of a source file that an earlier writer was told. */
  Optional<String> recordedSource(String name) {
    return journal.flatMap(lines -> lines.recorded().source(name));
  }

  void recordTensor(TensorKey key, Checksum checksum) throws IOException {
    if (journal.isPresent()) {
      journal.get().recordTensor(key, checksum);
    }
  }

  void recordSource(String name, String sha256) throws IOException {
    if (journal.isPresent()) {
      journal.get().recordSource(name, sha256);
    }
  }

  /** Makes the file durable under its final name; the journal has done its work. */
  void finish() throws IOException {
    file.commit();
    finished = true;
    if (journal.isPresent()) {
      journal.get().delete();
    }
  }

  /** As {@link #finish}, the journal durable under another name before. */
  void finishKeeping(Path journalName) throws IOException {
    journal.orElseThrow().keep(journalName);
    file.commit();
    finished = true;
  }

  /** Removes both, unless they were finished or are to be resumed. */
  void discard() throws IOException {
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
