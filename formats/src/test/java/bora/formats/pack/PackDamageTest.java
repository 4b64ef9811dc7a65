package bora.formats.pack;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import bora.formats.CorruptFileException;
import bora.formats.ProgressListener;
import bora.formats.UnsupportedVersionException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Damage by accident, at every place of a pack: never unnoticed, never another exception. */
class PackDamageTest {
  private final PackFixture fixture = PackFixture.tiny();

  @TempDir Path directory;

  /** What opening does with a file of these bytes, without a mapping for each of thousands. */
  private static void checkStructure(Path pack, MemorySegment bytes) throws IOException {
    new PackStructure(PackFile.of(pack, bytes)).check();
  }

  @Test
  void truncationAtEveryLengthIsCorrupt() throws IOException {
    Path pack = fixture.write(directory.resolve("cut.bora"));
    MemorySegment whole = MemorySegment.ofArray(Files.readAllBytes(pack));
    checkStructure(pack, whole);
    for (long length = 0; length < whole.byteSize(); length++) {
      MemorySegment cut = whole.asSlice(0, length);
      assertCorrupt(pack, () -> checkStructure(pack, cut));
    }
  }

  @Test
  void truncatedFilesAreCorrupt() throws IOException {
    Path pack = fixture.write(directory.resolve("cut.bora"));
    try (FileChannel channel = FileChannel.open(pack, StandardOpenOption.WRITE)) {
      for (long length : new long[] {channel.size() - 1, 20_000, 4096, 128, 127, 64, 8, 1, 0}) {
        channel.truncate(length);
        assertCorrupt(pack, () -> PackReader.open(pack));
      }
    }
  }

  @Test
  void bytesAppendedAreCorrupt() throws IOException {
    Path pack = fixture.write(directory.resolve("long.bora"));
    for (int i = 0; i < 130; i++) {
      Files.write(pack, new byte[1], StandardOpenOption.APPEND);
      assertCorrupt(pack, () -> PackReader.open(pack));
    }
  }

  @Test
  void everyFlippedBitIsFound() throws IOException {
    Path pack = fixture.write(directory.resolve("flipped.bora"));
    byte[] bytes = Files.readAllBytes(pack);
    PackLayout layout = fixture.layout();
    List<String> names = new ArrayList<>();
    List<ByteRange> ranges = new ArrayList<>();
    layout
        .tensors()
        .forEach(
            (key, range) -> {
              names.add(key.toString());
              ranges.add(range);
            });
    layout
        .attachments()
        .forEach(
            (name, range) -> {
              names.add("attachment " + name);
              ranges.add(range);
            });
    try (FileChannel channel = FileChannel.open(pack, StandardOpenOption.WRITE);
        PackReader reader = PackReader.open(pack)) {
      for (int offset = 0; offset < bytes.length; offset++) {
        String owner = ownerOf(offset, names, ranges);
        byte original = bytes[offset];
        bytes[offset] ^= (byte) (1 << offset % 8);
        if (owner.isEmpty()) {
          requireFoundAtOpen(pack, bytes, offset);
        } else {
          channel.write(ByteBuffer.wrap(bytes, offset, 1), offset);
          requireNamed(reader, owner);
        }
        bytes[offset] = original;
        channel.write(ByteBuffer.wrap(bytes, offset, 1), offset);
      }
      reader.checkIntegrity(ProgressListener.NONE);
    }
  }

  /** The tensor or attachment whose byte it is; empty for structure. */
  private static String ownerOf(int offset, List<String> names, List<ByteRange> ranges) {
    for (int i = 0; i < ranges.size(); i++) {
      if (ranges.get(i).offsetBytes() <= offset && offset < ranges.get(i).endBytes()) {
        return names.get(i);
      }
    }
    return "";
  }

  private static void requireFoundAtOpen(Path pack, byte[] bytes, int offset) throws IOException {
    try {
      checkStructure(pack, MemorySegment.ofArray(bytes));
      fail("damage at byte " + offset + " was not seen at open");
    } catch (CorruptFileException | UnsupportedVersionException e) {
      assertTrue(e.getMessage().startsWith(pack + ": "), e.getMessage());
    }
  }

  private static void requireNamed(PackReader reader, String owner) {
    assertCorrupt(
        reader.path(),
        () -> reader.checkIntegrity(ProgressListener.NONE),
        "damaged: " + owner + ": ");
  }

  @Test
  void everyDamagedTensorIsNamed() throws IOException {
    Path pack = fixture.write(directory.resolve("twice.bora"));
    List<ByteRange> ranges = List.copyOf(fixture.layout().tensors().values());
    ForgedPack forged = ForgedPack.of(pack);
    forged.set(ranges.get(0).offsetBytes(), 0xEE).set(ranges.get(9).endBytes() - 1, 0xEE);
    forged.write(pack);
    try (PackReader reader = PackReader.open(pack)) {
      assertCorrupt(
          pack,
          () -> reader.checkIntegrity(ProgressListener.NONE),
          "damaged: embedding, layer 0 expert 0 w3: ");
    }
  }
}
