package bora.formats.pack;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.MismatchedArtifactException;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a writer finds that comes after one that was killed. */
class PackResumeTest {
  private static final String WORK = "this conversion";

  private final PackFixture fixture = PackFixture.tiny();
  private final List<TensorKey> keys = new ArrayList<>(fixture.tensors().keySet());

  @TempDir private Path directory;
  private Path out;
  private Path partial;
  private Path journal;
  private byte[] expected;

  @BeforeEach
  void setUp() throws IOException {
    out = directory.resolve("model.bora");
    partial = directory.resolve("model.bora.partial");
    journal = directory.resolve("model.bora.partial.journal");
    Path whole = fixture.write(directory.resolve("whole.bora"));
    expected = Files.readAllBytes(whole);
    Files.delete(whole);
  }

  /** Leaves what a writer leaves that is killed after so many tensors and one source. */
  private void kill(int tensors) throws IOException {
    try (PackWriter writer = PackWriter.resume(out, fixture.layout(), WORK)) {
      writer.recordSource("a b\n.safetensors", "5".repeat(64));
      for (TensorKey key : keys.subList(0, tensors)) {
        PackFixture.append(writer, key, fixture.tensors().get(key));
      }
    }
  }

  /** Resumes and returns how many tensors were taken over. */
  private int resume() throws IOException {
    int recovered = 0;
    try (PackWriter writer = PackWriter.resume(out, fixture.layout(), WORK)) {
      for (TensorKey key : keys) {
        if (writer.recover(key)) {
          recovered++;
        } else {
          PackFixture.append(writer, key, fixture.tensors().get(key));
        }
      }
      PackFixture.attachAll(writer);
      writer.finish(PackFixture.PROVENANCE);
    }
    assertArrayEquals(expected, Files.readAllBytes(out));
    assertEquals(List.of(out), files());
    return recovered;
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.sorted().toList();
    }
  }

  @Test
  void tensorsThatWereWholeAreTakenOver() throws IOException {
    for (int tensors = 0; tensors <= keys.size(); tensors++) {
      kill(tensors);
      assertEquals(tensors, resume());
      Files.delete(out);
    }
  }

  @Test
  void anInterruptedResumptionIsResumedInTurn() throws IOException {
    kill(2);
    try (PackWriter writer = PackWriter.resume(out, fixture.layout(), WORK)) {
      PackFixture.append(writer, keys.get(5), fixture.tensors().get(keys.get(5)));
    }
    assertEquals(3, resume());
  }

  @Test
  void hashesOfSourcesAreTakenOver() throws IOException {
    kill(1);
    try (PackWriter writer = PackWriter.resume(out, fixture.layout(), WORK)) {
      assertEquals(Optional.of("5".repeat(64)), writer.recoverSource("a b\n.safetensors"));
      assertEquals(Optional.empty(), writer.recoverSource("a"));
    }
  }

  @Test
  void aJournalCutAnywhereLosesOnlyWhatItNoLongerTells() throws IOException {
    kill(keys.size());
    byte[] told = Files.readAllBytes(journal);
    byte[] written = Files.readAllBytes(partial);
    for (int length = 0; length < told.length; length += 7) {
      Files.write(partial, written);
      Files.write(journal, Arrays.copyOf(told, length));
      int lines = 0;
      for (int i = 0; i < length; i++) {
        lines += told[i] == '\n' ? 1 : 0;
      }
      int tensors = Math.max(0, lines - 2);
      assertEquals(tensors, resume(), "cut after " + length + " bytes");
    }
  }

  @Test
  void aDamagedLineEndsTheJournal() throws IOException {
    kill(keys.size());
    byte[] told = Files.readAllBytes(journal);
    byte[] written = Files.readAllBytes(partial);
    for (int at = 0; at < told.length; at += 5) {
      byte[] damaged = told.clone();
      damaged[at] ^= 4;
      Files.write(partial, written);
      Files.write(journal, damaged);
      assertTrue(resume() < keys.size(), "byte " + at);
    }
  }

  /** Whole lines that no writer of this version wrote: of a journal that was made by others. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "tensor",
        "tensor embed 00000000",
        "tensor embed 0000000g 0000",
        "source a",
        "source a b c",
        "",
        "note this"
      })
  void aLineOfNoKindIsRefusedAndLeftAsItIs(String line) throws IOException {
    kill(2);
    Files.write(journal, JournalContent.line(line), StandardOpenOption.APPEND);
    byte[] told = Files.readAllBytes(journal);
    assertCorrupt(
        journal,
        () -> PackWriter.resume(out, fixture.layout(), WORK),
        "expected lines `tensor ID CRC32C SHA256`",
        "found `" + line + "`",
        "without --resume");
    assertArrayEquals(told, Files.readAllBytes(journal));
  }

  @Test
  void aTensorWhoseBytesDidNotReachTheDiskIsWrittenAgain() throws IOException {
    kill(4);
    byte[] bytes = Files.readAllBytes(partial);
    ByteRange lost = fixture.layout().tensors().get(keys.get(2));
    Arrays.fill(bytes, (int) lost.offsetBytes(), (int) lost.endBytes(), (byte) 0);
    Files.write(partial, bytes);
    assertEquals(3, resume());
  }

  @Test
  void aPartialFileThatIsTooShortIsWrittenAgain() throws IOException {
    kill(4);
    int end = (int) fixture.layout().tensors().get(keys.get(2)).endBytes();
    Files.write(partial, Arrays.copyOf(Files.readAllBytes(partial), end - 1));
    assertEquals(2, resume());
  }

  @Test
  void whatStoodBehindTheTensorsIsWrittenAgain() throws IOException {
    kill(keys.size());
    byte[] longer = Arrays.copyOf(expected, expected.length + 1000);
    Files.write(partial, longer);
    assertEquals(keys.size(), resume());
  }

  @Test
  void otherWorkIsRefusedAndLeftAsItIs() throws IOException {
    kill(3);
    byte[] before = Files.readAllBytes(partial);
    MismatchedArtifactException thrown =
        assertThrows(
            MismatchedArtifactException.class,
            () -> PackWriter.resume(out, fixture.layout(), "another conversion"));
    assertTrue(thrown.getMessage().startsWith(journal + ": "), thrown.getMessage());
    assertTrue(thrown.getMessage().contains("without --resume"), thrown.getMessage());
    assertArrayEquals(before, Files.readAllBytes(partial));
    assertEquals(3, resume());
  }

  @Test
  void withoutResumingALeftoverIsBegunAnew() throws IOException {
    kill(3);
    try (PackWriter writer = PackWriter.create(out, fixture.layout(), "another conversion")) {
      assertFalse(writer.recover(keys.get(0)));
      for (TensorKey key : keys) {
        PackFixture.append(writer, key, fixture.tensors().get(key));
      }
      PackFixture.attachAll(writer);
      writer.finish(PackFixture.PROVENANCE);
    }
    assertArrayEquals(expected, Files.readAllBytes(out));
    assertEquals(List.of(out), files());
  }

  @Test
  void aFailureWithoutResumingLeavesNothing() throws IOException {
    try (PackWriter writer = PackWriter.create(out, fixture.layout(), WORK)) {
      PackFixture.append(writer, keys.get(0), fixture.tensors().get(keys.get(0)));
      assertEquals(List.of(partial, journal), files());
    }
    assertEquals(List.of(), files());
  }

  @Test
  void aPartialFileWithoutAJournalIsBegunAnew() throws IOException {
    kill(3);
    Files.delete(journal);
    assertEquals(0, resume());
  }

  @Test
  void aJournalWithoutItsPartialFileIsBegunAnew() throws IOException {
    kill(3);
    Files.delete(partial);
    assertEquals(0, resume());
  }
}
