package bora.formats.pack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TestConfigs;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PackWriterTest {
  private final PackFixture fixture = PackFixture.tiny();

  @TempDir Path directory;
  private Path out;

  @BeforeEach
  void setUp() {
    out = directory.resolve("model.bora");
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.sorted().toList();
    }
  }

  @Test
  void finishedPackIsTheOnlyFile() throws IOException {
    fixture.write(out);
    assertEquals(List.of(out), files());
    try (PackReader reader = PackReader.open(out)) {
      reader.checkIntegrity(ProgressListener.NONE);
    }
  }

  @Test
  void outputAppearsOnlyWhenItIsWhole() throws IOException {
    try (PackWriter writer = PackWriter.create(out, fixture.layout())) {
      assertEquals(directory.resolve("model.bora.partial"), writer.partial());
      assertEquals(List.of(writer.partial()), files());
      writeAll(writer);
      assertFalse(Files.exists(out));
      writer.finish(PackFixture.PROVENANCE);
      assertEquals(List.of(out), files());
    }
    assertEquals(List.of(out), files());
  }

  private void writeAll(PackWriter writer) throws IOException {
    for (Map.Entry<TensorKey, byte[]> tensor : fixture.tensors().entrySet()) {
      PackFixture.append(writer, tensor.getKey(), tensor.getValue());
    }
    PackFixture.attachAll(writer);
  }

  @Test
  void unfinishedWriterLeavesNothing() throws IOException {
    try (PackWriter writer = PackWriter.create(out, fixture.layout())) {
      writeAll(writer);
    }
    assertEquals(List.of(), files());
  }

  @Test
  void existingOutputSurvivesAFailedWrite() throws IOException {
    Files.writeString(out, "the older pack");
    try (PackWriter writer = PackWriter.create(out, fixture.layout())) {
      PackFixture.attachAll(writer);
      assertThrows(IllegalStateException.class, () -> writer.finish(PackFixture.PROVENANCE));
    }
    assertEquals("the older pack", Files.readString(out));
    assertEquals(List.of(out), files());
  }

  @Test
  void wholePackReplacesTheOlderOne() throws IOException {
    Files.writeString(out, "the older pack");
    fixture.write(out);
    PackReader.open(out).close();
  }

  @Test
  void leftoverOfAKilledWriterIsOverwritten() throws IOException {
    byte[] longer = new byte[1 << 16];
    Arrays.fill(longer, (byte) 0xFF);
    Files.write(directory.resolve("model.bora.partial"), longer);
    byte[] fresh = Files.readAllBytes(fixture.write(directory.resolve("fresh.bora")));
    assertArrayEquals(fresh, Files.readAllBytes(fixture.write(out)));
  }

  @Test
  void secondWriterOfTheSameOutputIsRefused() throws IOException {
    try (PackWriter first = PackWriter.create(out, fixture.layout())) {
      IOException thrown =
          assertThrows(IOException.class, () -> PackWriter.create(out, fixture.layout()));
      assertTrue(thrown.getMessage().startsWith(out + ": "), thrown.getMessage());
      assertTrue(thrown.getMessage().contains("is writing it already"), thrown.getMessage());
      writeAll(first);
      first.finish(PackFixture.PROVENANCE);
    }
    PackReader.open(out).close();
    fixture.write(out);
  }

  @Test
  void missingDirectoryIsNamed() {
    Path lost = directory.resolve("none/model.bora");
    NoSuchFileException thrown =
        assertThrows(NoSuchFileException.class, () -> PackWriter.create(lost, fixture.layout()));
    assertEquals(lost.toString(), thrown.getFile());
    assertTrue(thrown.getMessage().contains("the directory does not exist"));
  }

  @Test
  void directoryInPlaceOfTheOutputIsRefused() throws IOException {
    Files.createDirectory(out);
    FileAlreadyExistsException thrown =
        assertThrows(
            FileAlreadyExistsException.class, () -> PackWriter.create(out, fixture.layout()));
    assertEquals(out.toString(), thrown.getFile());
    assertEquals(List.of(out), files());
  }

  @Test
  void bytesDependOnNeitherOrderNorThreads()
      throws IOException, InterruptedException, ExecutionException {
    byte[] expected = Files.readAllBytes(fixture.write(out));
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      for (int seed = 0; seed < 5; seed++) {
        Path other = directory.resolve("other.bora");
        writeInPieces(other, threads, new Random(seed));
        assertArrayEquals(expected, Files.readAllBytes(other), "seed " + seed);
      }
    }
  }

  private void writeInPieces(Path other, ExecutorService threads, Random random)
      throws IOException, InterruptedException, ExecutionException {
    try (PackWriter writer = PackWriter.create(other, fixture.layout())) {
      List<TensorKey> keys = new ArrayList<>(fixture.tensors().keySet());
      Collections.shuffle(keys, random);
      List<Future<?>> writes = new ArrayList<>();
      for (TensorKey key : keys) {
        int piece = 1 + random.nextInt(500);
        byte[] bytes = fixture.tensors().get(key);
        writes.add(
            threads.submit(
                () -> {
                  try (TensorSink sink = writer.tensor(key)) {
                    for (int done = 0; done < bytes.length; done += piece) {
                      int length = Math.min(piece, bytes.length - done);
                      sink.append(ByteBuffer.wrap(bytes, done, length));
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> write : writes) {
        write.get();
      }
      PackFixture.attachAll(writer);
      writer.finish(PackFixture.PROVENANCE);
    }
  }

  @Test
  void moreThanTheLayoutHasRoomForIsRefused() throws IOException {
    TensorKey key = TensorKey.ofModel(TensorRole.EMBEDDING);
    byte[] bytes = fixture.tensors().get(key);
    try (PackWriter writer = PackWriter.create(out, fixture.layout());
        TensorSink sink = writer.tensor(key)) {
      sink.append(ByteBuffer.wrap(bytes));
      assertThrows(IllegalStateException.class, () -> sink.append(ByteBuffer.allocate(1)));
      sink.append(ByteBuffer.allocate(0));
    }
  }

  @Test
  void tensorWithoutAllItsBytesStaysMissing() throws IOException {
    TensorKey cut = TensorKey.ofExpert(0, 1, TensorRole.EXPERT_DOWN);
    try (PackWriter writer = PackWriter.create(out, fixture.layout())) {
      for (Map.Entry<TensorKey, byte[]> tensor : fixture.tensors().entrySet()) {
        int length = tensor.getValue().length - (tensor.getKey().equals(cut) ? 1 : 0);
        try (TensorSink sink = writer.tensor(tensor.getKey())) {
          sink.append(ByteBuffer.wrap(tensor.getValue(), 0, length));
        }
      }
      PackFixture.attachAll(writer);
      assertThrows(IllegalStateException.class, () -> writer.finish(PackFixture.PROVENANCE));
    }
    assertEquals(List.of(), files());
  }

  @Test
  void whatWasWrittenCanBeReadBackAndNothingElse() throws IOException {
    TensorKey key = TensorKey.ofModel(TensorRole.EMBEDDING);
    byte[] bytes = fixture.tensors().get(key);
    try (PackWriter writer = PackWriter.create(out, fixture.layout())) {
      byte[] read = new byte[bytes.length];
      assertFalse(writer.has(key));
      assertThrows(
          IllegalArgumentException.class, () -> writer.read(key, MemorySegment.ofArray(read)));
      PackFixture.append(writer, key, bytes);
      assertTrue(writer.has(key));
      writer.read(key, MemorySegment.ofArray(read));
      assertArrayEquals(bytes, read);
    }
  }

  @Test
  void missingAttachmentIsRefused() throws IOException {
    try (PackWriter writer = PackWriter.create(out, fixture.layout())) {
      for (Map.Entry<TensorKey, byte[]> tensor : fixture.tensors().entrySet()) {
        PackFixture.append(writer, tensor.getKey(), tensor.getValue());
      }
      assertThrows(IllegalStateException.class, () -> writer.finish(PackFixture.PROVENANCE));
    }
  }

  @Test
  void whatTheLayoutDoesNotNameIsRefused() throws IOException {
    try (PackWriter writer = PackWriter.create(out, fixture.layout())) {
      TensorKey unknown = TensorKey.ofLayer(7, TensorRole.QUERY);
      assertThrows(IllegalArgumentException.class, () -> writer.tensor(unknown));
      ByteBuffer bytes = ByteBuffer.allocate(11);
      assertThrows(IllegalArgumentException.class, () -> writer.attach("other", bytes));
      assertThrows(
          IllegalArgumentException.class, () -> writer.attach("LICENSE", ByteBuffer.allocate(12)));
    }
  }

  @Test
  void sinkClosedTwiceKeepsItsChecksums() throws IOException {
    try (PackWriter writer = PackWriter.create(out, fixture.layout())) {
      for (Map.Entry<TensorKey, byte[]> tensor : fixture.tensors().entrySet()) {
        TensorSink sink = writer.tensor(tensor.getKey());
        sink.append(ByteBuffer.wrap(tensor.getValue()));
        sink.close();
        sink.close();
      }
      PackFixture.attachAll(writer);
      writer.finish(PackFixture.PROVENANCE);
    }
    try (PackReader reader = PackReader.open(out)) {
      reader.checkIntegrity(ProgressListener.NONE);
    }
  }

  @Test
  void relativeOutputsAreWritten() throws IOException {
    Path relative = Path.of("").toAbsolutePath().relativize(out.toAbsolutePath());
    PackFixture.of(TestConfigs.mistral()).write(relative);
    PackReader.open(out).close();
  }
}
