package bora.formats;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PartialFileTest {
  @TempDir private Path directory;
  private Path out;
  private Path partial;

  @BeforeEach
  void setUp() {
    out = directory.resolve("model");
    partial = directory.resolve("model.partial");
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.sorted().toList();
    }
  }

  /** What a process sees that opened the partial file before another one finished it. */
  private IOException refusalOfALateWriter(FileChannel late, Object key) {
    return assertThrows(IOException.class, () -> SoleWriter.lock(late, partial, key, out));
  }

  private Object key() throws IOException {
    return Files.readAttributes(partial, "fileKey").get("fileKey");
  }

  @Test
  void outputFinishedByAnotherWriterMeanwhileIsNotTouched() throws IOException {
    Files.createFile(partial);
    try (FileChannel late = FileChannel.open(partial, StandardOpenOption.WRITE)) {
      Object key = key();
      PartialFile.write(out, "whole".getBytes(UTF_8));
      IOException refusal = refusalOfALateWriter(late, key);
      assertTrue(refusal.getMessage().contains("has just finished it"), refusal.getMessage());
    }
    assertEquals("whole", Files.readString(out));
  }

  @Test
  void outputFinishedByASecondWriterIsNotTouchedWhereAThirdHasBegun() throws IOException {
    Files.createFile(partial);
    try (FileChannel late = FileChannel.open(partial, StandardOpenOption.WRITE)) {
      Object key = key();
      PartialFile.write(out, "whole".getBytes(UTF_8));
      Files.writeString(partial, "the third writer's");
      IOException refusal = refusalOfALateWriter(late, key);
      assertTrue(refusal.getMessage().contains("has just finished it"), refusal.getMessage());
    }
    assertEquals("whole", Files.readString(out));
    assertEquals("the third writer's", Files.readString(partial));
  }

  @Test
  void aFailedWriterLeavesTheOlderOutputAndNothingElse() throws IOException {
    Files.writeString(out, "older");
    IOException thrown =
        assertThrows(
            IOException.class,
            () ->
                PartialFile.write(
                    out,
                    file -> {
                      file.append(ByteBuffer.wrap(new byte[100]));
                      throw new IOException("no more");
                    }));
    assertEquals("no more", thrown.getMessage());
    assertEquals(List.of(out), files());
    assertEquals("older", Files.readString(out));
  }

  @Test
  void aLinkInPlaceOfThePartialFileIsNotFollowed() throws IOException {
    Path victim = Files.writeString(directory.resolve("victim"), "untouched");
    Files.createSymbolicLink(partial, victim);
    assertThrows(IOException.class, () -> PartialFile.write(out, new byte[3]));
    assertEquals("untouched", Files.readString(victim));
  }

  @Test
  void aLinkInPlaceOfTheOutputIsReplacedAndNotFollowed() throws IOException {
    Path victim = Files.writeString(directory.resolve("victim"), "untouched");
    Files.createSymbolicLink(out, victim);
    PartialFile.write(out, "new".getBytes(UTF_8));
    assertEquals("untouched", Files.readString(victim));
    assertEquals("new", Files.readString(out));
  }

  @Test
  void aDeviceIsNotReplacedByAFile() {
    Path device = Path.of("/dev/null");
    assumeTrue(Files.exists(device), "needs /dev/null");
    FileAlreadyExistsException thrown =
        assertThrows(
            FileAlreadyExistsException.class, () -> PartialFile.write(device, new byte[3]));
    assertTrue(thrown.getMessage().contains("found a device"), thrown.getMessage());
  }
}
