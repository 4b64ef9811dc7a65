package bora.converter.release;

import bora.formats.ProgressListener;
import bora.formats.Sha256;
import bora.formats.pack.ByteRange;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/** Writes the files of a release and keeps their hashes. */
final class ReleaseWriter {
  private static final int CHUNK_BYTES = 1 << 20;

  private final Path directory;
  private final ProgressListener progress;
  private final SequencedMap<String, ReleaseFile> files = new LinkedHashMap<>();

  /**
   * @param progress told the bytes of packs
   */
  ReleaseWriter(Path directory, ProgressListener progress) {
    this.directory = directory;
    this.progress = progress;
  }

  SequencedMap<String, ReleaseFile> files() {
    return files;
  }

  /** The files' hashes by their names. */
  SequencedMap<String, String> sha256() {
    SequencedMap<String, String> hashes = new LinkedHashMap<>();
    files.forEach((name, file) -> hashes.put(name, file.sha256()));
    return hashes;
  }

  void write(String name, byte[] content) throws IOException {
    Files.write(directory.resolve(name), content, StandardOpenOption.CREATE_NEW);
    files.put(name, new ReleaseFile(name, content.length, Sha256.of(content)));
  }

  /** Takes note of a file that something else wrote into the directory. */
  ReleaseFile record(String name) throws IOException {
    Path file = directory.resolve(name);
    ReleaseFile recorded =
        new ReleaseFile(name, Files.size(file), Sha256.of(file, ProgressListener.NONE));
    files.put(name, recorded);
    return recorded;
  }

  /** Writes a pack whole or in shards. */
  void write(ReleasedPack pack) throws IOException {
    List<String> names = pack.fileNames();
    for (int shard = 0; shard < names.size(); shard++) {
      ByteRange range = pack.shards().get(shard);
      write(names.get(shard), pack.pack().bytes(range), range.lengthBytes());
    }
  }

  private void write(String name, List<MemorySegment> content, long bytes) throws IOException {
    MessageDigest digest = Sha256.newDigest();
    byte[] chunk = new byte[CHUNK_BYTES];
    try (OutputStream out =
        Files.newOutputStream(directory.resolve(name), StandardOpenOption.CREATE_NEW)) {
      for (MemorySegment segment : content) {
        for (long done = 0; done < segment.byteSize(); done += CHUNK_BYTES) {
          int length = (int) Math.min(CHUNK_BYTES, segment.byteSize() - done);
          MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, done, chunk, 0, length);
          digest.update(chunk, 0, length);
          out.write(chunk, 0, length);
          progress.advance(length);
        }
      }
    }
    files.put(name, new ReleaseFile(name, bytes, Sha256.hex(digest)));
  }

  /** The lines of {@code sha256sum} over some files. */
  static byte[] sums(Map<String, String> sha256) {
    StringBuilder lines = new StringBuilder();
    sha256.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(
            file -> lines.append(file.getValue()).append("  ").append(file.getKey()).append('\n'));
    return lines.toString().getBytes(StandardCharsets.UTF_8);
  }
}
