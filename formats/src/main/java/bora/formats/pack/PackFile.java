package bora.formats.pack;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.encoding.LittleEndian;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The bytes of a pack: of one file, or of its shards one behind the other. Owns their mappings.
 * Nothing that the manifest names crosses from one shard into the next.
 */
final class PackFile implements AutoCloseable {
  /** The bytes of one file and the byte of the pack at which they start. */
  private record Piece(MemorySegment bytes, long startBytes) {
    long endBytes() {
      return startBytes + bytes.byteSize();
    }

    boolean holds(ByteRange range) {
      return range.offsetBytes() >= startBytes && range.endBytes() <= endBytes();
    }
  }

  private final Path path;
  private final List<MappedFile> mappings;
  private final List<Piece> pieces = new ArrayList<>();

  private PackFile(Path path, List<MappedFile> mappings, List<MemorySegment> contents) {
    this.path = path;
    this.mappings = List.copyOf(mappings);
    long start = 0;
    for (MemorySegment content : contents) {
      pieces.add(new Piece(content, start));
      start = Math.addExact(start, content.byteSize());
    }
  }

  /** A pack that is already in memory. */
  static PackFile of(Path path, MemorySegment bytes) {
    return new PackFile(path, List.of(), List.of(bytes));
  }

  /**
   * @param path of the file, or of any shard
   * @param mappings of all {@link #files}; closed with this
   */
  static PackFile of(Path path, List<MappedFile> mappings) {
    return new PackFile(path, mappings, mappings.stream().map(MappedFile::bytes).toList());
  }

  /** The file itself, or all shards that belong to the one named. */
  static List<Path> files(Path path) {
    Optional<ShardName> shard = ShardName.of(path);
    return shard.isEmpty()
        ? List.of(path)
        : ShardName.all(shard.get().stem(), shard.get().count()).stream()
            .map(path::resolveSibling)
            .toList();
  }

  Path path() {
    return path;
  }

  long byteSize() {
    return pieces.getLast().endBytes();
  }

  /**
   * A range of the pack.
   *
   * @throws IllegalArgumentException when no piece holds it whole; {@link #requireWhole} has told
   *     before
   */
  MemorySegment slice(ByteRange range) {
    Optional<Piece> holder = pieceOf(range);
    if (holder.isEmpty()) {
      throw new IllegalArgumentException("no shard holds " + range);
    }
    Piece piece = holder.get();
    return piece.bytes().asSlice(range.offsetBytes() - piece.startBytes(), range.lengthBytes());
  }

  /**
   * A copy of a range, of which values are read little-endian: for the reason that {@link
   * PackReader} has, nothing else is computed of what is mapped.
   */
  ByteBuffer copy(ByteRange range) {
    return LittleEndian.buffer(slice(range).toArray(ValueLayout.JAVA_BYTE));
  }

  /** Any range of the pack, in as many segments as it lies in files. */
  List<MemorySegment> segments(ByteRange range) {
    List<MemorySegment> segments = new ArrayList<>();
    for (Piece piece : pieces) {
      long start = Math.max(range.offsetBytes(), piece.startBytes());
      long end = Math.min(range.endBytes(), piece.endBytes());
      if (start < end) {
        segments.add(piece.bytes().asSlice(start - piece.startBytes(), end - start));
      }
    }
    return segments;
  }

  /**
   * @throws CorruptFileException when a shard ends within a range
   */
  void requireWhole(ByteRange range) throws CorruptFileException {
    if (pieceOf(range).isEmpty()) {
      throw new CorruptFileException(
          path,
          "a shard ends between bytes "
              + range.offsetBytes()
              + " and "
              + range.endBytes()
              + ": it was cut short, or is of another pack");
    }
  }

  private Optional<Piece> pieceOf(ByteRange range) {
    for (Piece piece : pieces) {
      if (piece.holds(range)) {
        return Optional.of(piece);
      }
    }
    return Optional.empty();
  }

  @Override
  public void close() {
    mappings.forEach(MappedFile::close);
  }
}
