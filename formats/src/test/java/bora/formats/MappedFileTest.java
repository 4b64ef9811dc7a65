package bora.formats;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MappedFileTest {
  private static final int BYTES = 3 * 4096;

  @TempDir Path directory;

  private Path file(String name) throws IOException {
    return Files.write(directory.resolve(name), new byte[BYTES]);
  }

  private static long lastByte(MappedFile file) {
    return file.bytes().get(ValueLayout.JAVA_BYTE, BYTES - 1);
  }

  private static String cutTo(Path file, int bytes) {
    return file
        + ": was cut short while it was in use: expected "
        + BYTES
        + " bytes, found "
        + bytes
        + "; is it still being copied or downloaded?";
  }

  @Test
  void fileCutShortWhileItIsOpenedIsNamedAndUnmapped() throws IOException {
    Path path = file("weights");
    List<MappedFile> mapped = new ArrayList<>();
    IOException thrown =
        assertThrows(
            IOException.class,
            () ->
                MappedFile.open(
                    path,
                    file -> {
                      mapped.add(file);
                      CutShort.to(path, 4096);
                      return lastByte(file);
                    }));
    assertEquals(cutTo(path, 4096), thrown.getMessage());
    assertFalse(mapped.getFirst().bytes().scope().isAlive());
  }

  @Test
  void ofSeveralFilesTheOneCutShortIsNamed() throws IOException {
    List<Path> paths = List.of(file("a"), file("b"), file("c"));
    IOException thrown =
        assertThrows(
            IOException.class,
            () ->
                MappedFile.openAll(
                    paths,
                    files -> {
                      CutShort.to(paths.get(1), 0);
                      return files.stream().mapToLong(MappedFileTest::lastByte).sum();
                    }));
    assertEquals(cutTo(paths.get(1), 0), thrown.getMessage());
  }

  @Test
  void fileCutShortIsNamedAfterItIsUnmappedToo() throws IOException {
    Path path = file("weights");
    InternalError fault;
    try (MappedFile file = MappedFile.open(path)) {
      CutShort.to(path, 0);
      fault = assertThrows(InternalError.class, () -> lastByte(file));
    }
    String message = MappedFile.unreadable(fault).getMessage();
    assertTrue(message.contains(cutTo(path, 0)), message);
  }

  @Test
  void filesBeforeOneThatIsMissingAreUnmapped() throws IOException {
    Path path = file("weights");
    Path none = directory.resolve("none");
    assertThrows(
        NoSuchFileException.class,
        () -> MappedFile.openAll(List.of(path, none), files -> files.size()));
    CutShort.to(path, 0);
    try (MappedFile other = MappedFile.open(file("other"))) {
      assertEquals(0, lastByte(other));
    }
  }

  @Test
  void otherErrorsStayWhatTheyAre() throws IOException {
    Path path = file("weights");
    InternalError other = new InternalError("something else");
    InternalError thrown =
        assertThrows(
            InternalError.class,
            () ->
                MappedFile.open(
                    path,
                    file -> {
                      throw other;
                    }));
    assertSame(other, thrown);
  }

  @ParameterizedTest
  @CsvSource({
    "0, ab, true",
    "1, bc, true",
    "1, b, true",
    "0, abc, true",
    "2, c, true",
    "3, '', true",
    "0, b, false",
    "2, cd, false",
    "3, a, false",
    "4, '', false",
    "0, abcd, false"
  })
  void comparesBytesAtAPlace(long offset, String expected, boolean same) {
    MemorySegment bytes = MemorySegment.ofArray("abc".getBytes(StandardCharsets.US_ASCII));
    assertEquals(
        same, MappedFile.hasAt(bytes, offset, expected.getBytes(StandardCharsets.US_ASCII)));
  }
}
