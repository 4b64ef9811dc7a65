package bora.formats.pack;

import bora.formats.CorruptFileException;
import bora.formats.UnsupportedVersionException;
import bora.formats.UnsupportedVersionException.Reason;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The checks that a pack passes when it is opened: {@code docs/format.md}, "What a reader checks".
 */
final class PackStructure {
  private static final ByteRange HEADER = new ByteRange(0, PackFormat.HEADER_BYTES);

  private final Path path;
  private final PackFile file;

  PackStructure(PackFile file) {
    this.path = file.path();
    this.file = file;
  }

  static boolean beginsWithMagic(ByteBuffer file) {
    return file.getLong(0) == PackFormat.MAGIC;
  }

  PackManifest check() throws IOException {
    int minor = checkHeader();
    ByteRange manifestRange = checkFooter();
    byte[] json = file.copy(manifestRange).array();
    PackManifest manifest = ManifestJson.read(path, json, minor);
    checkTensorSet(manifest);
    PackLayout layout = layout(manifest);
    checkFeatures(layout);
    checkLayout(manifest, layout, manifestRange);
    return manifest;
  }

  /** Returns the minor version. */
  private int checkHeader() throws IOException {
    if (file.byteSize() < PackFormat.HEADER_BYTES + PackFormat.FOOTER_BYTES) {
      throw corrupt(
          "too short for a pack",
          "at least " + (PackFormat.HEADER_BYTES + PackFormat.FOOTER_BYTES) + " bytes",
          file.byteSize());
    }
    file.requireWhole(HEADER);
    ByteBuffer header = file.copy(HEADER);
    if (!beginsWithMagic(header)) {
      throw new CorruptFileException(path, "not a bora pack, or damaged in its first 8 bytes");
    }
    int crc = header.getInt(PackFormat.HEADER_CRC_OFFSET);
    if (crc != PackFormat.crc32c(header.slice(0, PackFormat.HEADER_CRC_OFFSET))) {
      throw new CorruptFileException(path, "the header is damaged: its CRC32C does not match");
    }
    int minor = checkVersion(header);
    boolean sameAlignments =
        header.getInt(PackFormat.HEADER_LENGTH_OFFSET) == PackFormat.HEADER_BYTES
            && header.getInt(PackFormat.TENSOR_ALIGNMENT_OFFSET) == Encoding.ALIGNMENT_BYTES
            && header.getInt(PackFormat.EXPERT_ALIGNMENT_OFFSET)
                == PackFormat.EXPERT_ALIGNMENT_BYTES;
    int reserved = PackFormat.HEADER_RESERVED_OFFSET;
    if (!sameAlignments
        || !PackFormat.isZero(header.array(), reserved, PackFormat.HEADER_CRC_OFFSET)) {
      throw new CorruptFileException(path, "the header is not that of format " + PackFormat.MAJOR);
    }
    return minor;
  }

  /** Returns the minor version. */
  private int checkVersion(ByteBuffer header) throws UnsupportedVersionException {
    int major = header.getShort(PackFormat.MAJOR_OFFSET) & 0xFFFF;
    int minor = header.getShort(PackFormat.MINOR_OFFSET) & 0xFFFF;
    if (major != PackFormat.MAJOR) {
      boolean older = major < PackFormat.MAJOR;
      throw new UnsupportedVersionException(
          path,
          older ? Reason.TOO_OLD : Reason.TOO_NEW,
          "format version: expected "
              + PackFormat.MAJOR
              + ", found "
              + major
              + "."
              + minor
              + (older ? "; convert the checkpoint again" : "; a newer bora reads it"));
    }
    long unknownFeatures = requiredFeatures() & ~PackFormat.TRELLIS_LEVELS;
    if (unknownFeatures != 0) {
      throw new UnsupportedVersionException(
          path,
          Reason.TOO_NEW,
          "required features: expected none but 0x"
              + Long.toHexString(PackFormat.TRELLIS_LEVELS)
              + ", found 0x"
              + Long.toHexString(unknownFeatures)
              + "; a newer bora reads it");
    }
    return minor;
  }

  private long requiredFeatures() {
    return file.copy(HEADER).getLong(PackFormat.FEATURES_OFFSET);
  }

  /** Returns where the manifest is. */
  private ByteRange checkFooter() throws IOException {
    long fileLength = file.byteSize();
    ByteRange footerRange =
        new ByteRange(fileLength - PackFormat.FOOTER_BYTES, PackFormat.FOOTER_BYTES);
    file.requireWhole(footerRange);
    ByteBuffer footer = file.copy(footerRange);
    if (footer.getLong(PackFormat.FOOTER_MAGIC_OFFSET) != ~PackFormat.MAGIC) {
      throw new CorruptFileException(
          path, "no footer at its end: the file was cut short, or its last bytes are damaged");
    }
    int crc = footer.getInt(PackFormat.FOOTER_CRC_OFFSET);
    if (crc != PackFormat.crc32c(footer.slice(0, PackFormat.FOOTER_CRC_OFFSET))) {
      throw new CorruptFileException(path, "the footer is damaged: its CRC32C does not match");
    }
    int reserved = PackFormat.FOOTER_RESERVED_OFFSET;
    if (!PackFormat.isZero(footer.array(), reserved, PackFormat.FOOTER_CRC_OFFSET)) {
      throw new CorruptFileException(path, "the footer's reserved bytes are not zero");
    }
    long saidLength = footer.getLong(PackFormat.FILE_LENGTH_OFFSET);
    if (saidLength != fileLength) {
      throw corrupt("file length", saidLength + " bytes by the footer", fileLength);
    }
    long offset = footer.getLong(PackFormat.MANIFEST_OFFSET_OFFSET);
    long length = footer.getLong(PackFormat.MANIFEST_LENGTH_OFFSET);
    long end = fileLength - PackFormat.FOOTER_BYTES;
    if (length < 0
        || length > PackFormat.MAX_MANIFEST_BYTES
        || offset < PackFormat.HEADER_BYTES
        || offset != end - length) {
      throw corrupt("manifest", "a range that ends at byte " + end, offset + " + " + length);
    }
    ByteRange manifest = new ByteRange(offset, length);
    file.requireWhole(manifest);
    if (footer.getInt(PackFormat.MANIFEST_CRC_OFFSET) != PackFormat.crc32c(file.copy(manifest))) {
      throw new CorruptFileException(path, "the manifest is damaged: its CRC32C does not match");
    }
    return manifest;
  }

  private void checkTensorSet(PackManifest manifest) throws CorruptFileException {
    long saidTensors = manifest.entries().size();
    long expectedTensors = manifest.config().tensorCount();
    if (saidTensors != expectedTensors) {
      throw corrupt("number of tensors", expectedTensors + " by the config", saidTensors);
    }
    Map<TensorKey, TensorShape> shapes = manifest.config().tensors();
    if (!List.copyOf(manifest.entries().keySet()).equals(List.copyOf(shapes.keySet()))) {
      throw new CorruptFileException(path, "the tensors are not in canonical order");
    }
    for (PackEntry entry : manifest.entries().values()) {
      TensorShape expected = shapes.get(entry.key());
      if (!entry.shape().equals(expected)) {
        throw corrupt(entry.key() + ": shape", expected, entry.shape());
      }
      if (!entry.encoding().fits(expected)) {
        throw corrupt(entry.key() + ": encoding", "f32 or bf16", entry.encoding().jsonName());
      }
    }
  }

  private PackLayout layout(PackManifest manifest) throws CorruptFileException {
    Map<TensorKey, Encoding> encodings = new HashMap<>();
    for (PackEntry entry : manifest.entries().values()) {
      encodings.put(entry.key(), entry.encoding());
    }
    SortedMap<String, Long> attachmentBytes = new TreeMap<>();
    for (PackAttachment attachment : manifest.attachments().values()) {
      attachmentBytes.put(attachment.name(), attachment.range().lengthBytes());
    }
    try {
      return PackLayout.of(manifest.config(), encodings, attachmentBytes);
    } catch (ArithmeticException e) {
      throw new CorruptFileException(path, "the tensors' sizes overflow", e);
    }
  }

  /** Trellis codes without their feature are of the first bora, which meant other weights. */
  private void checkFeatures(PackLayout layout) throws IOException {
    long expected = layout.requiredFeatures();
    long found = requiredFeatures();
    if (found == 0 && expected == PackFormat.TRELLIS_LEVELS) {
      throw new UnsupportedVersionException(
          path,
          Reason.TOO_OLD,
          "its trellis codes (t1 to t5) are of a kind that is no longer read;"
              + " convert the checkpoint again");
    }
    if (found != expected) {
      throw corrupt(
          "required features", "0x" + Long.toHexString(expected), "0x" + Long.toHexString(found));
    }
  }

  private void checkLayout(PackManifest manifest, PackLayout layout, ByteRange manifestRange)
      throws CorruptFileException {
    List<ByteRange> ranges = new ArrayList<>();
    for (PackEntry entry : manifest.entries().values()) {
      requireRange(entry.key(), layout.tensors().get(entry.key()), entry.range());
      ranges.add(entry.range());
    }
    for (PackAttachment attachment : manifest.attachments().values()) {
      ByteRange expected = layout.attachments().get(attachment.name());
      requireRange("attachment " + attachment.name(), expected, attachment.range());
      ranges.add(attachment.range());
    }
    if (layout.manifestOffsetBytes() != manifestRange.offsetBytes()) {
      throw corrupt(
          "manifest", "at byte " + layout.manifestOffsetBytes(), manifestRange.offsetBytes());
    }
    ranges.add(manifestRange);
    checkGaps(ranges);
  }

  /**
   * @param name what a message calls it; most are never asked
   */
  private void requireRange(Object name, ByteRange expected, ByteRange found)
      throws CorruptFileException {
    if (!expected.equals(found)) {
      throw corrupt(name + ": place", expected, found);
    }
  }

  private void checkGaps(List<ByteRange> ranges) throws CorruptFileException {
    long end = PackFormat.HEADER_BYTES;
    for (ByteRange range : ranges) {
      if (range.offsetBytes() != end) {
        requireZero(new ByteRange(end, range.offsetBytes() - end));
      }
      file.requireWhole(range);
      end = range.endBytes();
    }
  }

  private void requireZero(ByteRange gap) throws CorruptFileException {
    file.requireWhole(gap);
    byte[] bytes = file.copy(gap).array();
    if (!PackFormat.isZero(bytes, 0, bytes.length)) {
      throw new CorruptFileException(
          path,
          "the gap between bytes " + gap.offsetBytes() + " and " + gap.endBytes() + " is not zero");
    }
  }

  private CorruptFileException corrupt(String what, Object expected, Object found) {
    return new CorruptFileException(path, what + ": expected " + expected + ", found " + found);
  }
}
