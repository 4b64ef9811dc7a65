package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;

/**
 * The zip archive that torch saves: entries stand uncompressed, so that they are read where they
 * are mapped.
 */
final class TensorArchive {
  private TensorArchive() {}

  /**
   * Finds the archive's entries.
   *
   * @return the bytes of every file by name, the one folder around them dropped
   * @throws CorruptFileException when it is no zip archive, or one that torch would not write
   */
  static SortedMap<String, MemorySegment> entries(MappedFile mapped) throws IOException {
    Path path = mapped.path();
    SortedMap<String, MemorySegment> entries = new TreeMap<>();
    try (ZipFile zip = open(path)) {
      for (ZipArchiveEntry entry : Collections.list(zip.getEntries())) {
        if (entry.isDirectory()) {
          continue;
        }
        MemorySegment bytes = slice(path, entry, mapped.bytes());
        String name = entry.getName().substring(entry.getName().indexOf('/') + 1);
        if (entries.put(name, bytes) != null) {
          throw new CorruptFileException(
              path, "expected every entry once, found `" + name + "`" + " twice");
        }
      }
    }
    return entries;
  }

  /** The library reports damage with exceptions of many kinds, unchecked ones among them. */
  private static ZipFile open(Path path) throws CorruptFileException {
    try {
      return ZipFile.builder().setPath(path).setUseUnicodeExtraFields(false).get();
    } catch (IOException | RuntimeException e) {
      throw new CorruptFileException(
          path,
          "expected a zip archive as torch.save writes it, found a damaged one ("
              + e.getMessage()
              + "); was the download cut short?",
          e);
    }
  }

  private static MemorySegment slice(Path path, ZipArchiveEntry entry, MemorySegment file)
      throws CorruptFileException {
    if (entry.getMethod() != ZipEntry.STORED
        || entry.getGeneralPurposeBit().usesEncryption()
        || entry.getSize() != entry.getCompressedSize()) {
      throw new CorruptFileException(
          path,
          "entry `"
              + entry.getName()
              + "`: expected it stored as it is, found it compressed or encrypted; torch does"
              + " neither, was the file packed again?");
    }
    long offset = entry.getDataOffset();
    if (offset < 0 || entry.getSize() < 0 || entry.getSize() > file.byteSize() - offset) {
      throw new CorruptFileException(
          path,
          "entry `"
              + entry.getName()
              + "`: expected it within the "
              + file.byteSize()
              + " bytes of the file, found "
              + entry.getSize()
              + " bytes at "
              + offset);
    }
    return file.asSlice(offset, entry.getSize());
  }
}
