package bora.formats.pack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CutShort;
import bora.formats.MappedFile;
import bora.formats.ProgressListener;
import bora.formats.encoding.EncodedTensor;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TestConfigs;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PackReaderTest {
  @TempDir Path directory;

  static List<ModelConfig> configs() {
    return List.of(
        TestConfigs.mistral(),
        TestConfigs.mixtral(),
        TestConfigs.config(Architecture.MIXTRAL, 1, 3, 2, true));
  }

  @ParameterizedTest
  @MethodSource("configs")
  void givesBackWhatWasWritten(ModelConfig config) throws IOException {
    PackFixture fixture = PackFixture.of(config);
    Path path = fixture.write(directory.resolve("model.bora"));
    try (PackReader reader = PackReader.open(path)) {
      assertEquals(path, reader.path());
      assertEquals(Files.size(path), reader.byteSize());
      assertEquals(config, reader.config());
      assertEquals(PackFixture.PROVENANCE, reader.manifest().provenance());
      for (Map.Entry<TensorKey, byte[]> written : fixture.tensors().entrySet()) {
        EncodedTensor tensor = reader.tensor(written.getKey());
        assertEquals(fixture.encodings().get(written.getKey()), tensor.encoding());
        assertEquals(config.tensors().get(written.getKey()), tensor.shape());
        assertArrayEquals(written.getValue(), tensor.bytes().toArray(ValueLayout.JAVA_BYTE));
        assertEquals(0, tensor.bytes().address() % 64, "mapped at an aligned address");
      }
      for (Map.Entry<String, byte[]> written : PackFixture.attachments().entrySet()) {
        assertArrayEquals(
            written.getValue(),
            reader.attachment(written.getKey()).orElseThrow().toArray(ValueLayout.JAVA_BYTE));
      }
      assertTrue(reader.attachment("none").isEmpty());
      assertEquals(fixture.layout().weightBytes(), reader.manifest().weightBytes());
      assertEquals(fixture.layout().bitsPerWeight(), reader.manifest().bitsPerWeight());
    }
  }

  @Test
  void integrityCheckReadsEveryByteOnce() throws IOException {
    Path path = PackFixture.tiny().write(directory.resolve("model.bora"));
    try (PackReader reader = PackReader.open(path)) {
      AtomicLong read = new AtomicLong();
      reader.checkIntegrity(read::addAndGet);
      assertEquals(reader.integrityBytes(), read.get());
    }
  }

  @Test
  void packCutShortWhileItIsCheckedIsNamed() throws IOException {
    Path path = PackFixture.tiny().write(directory.resolve("model.bora"));
    try (PackReader reader = PackReader.open(path)) {
      CutShort.assertNamed(
          path,
          () -> {
            CutShort.to(path, 0);
            reader.checkIntegrity(ProgressListener.NONE);
          });
    }
  }

  @Test
  void packCutShortWhileItIsOpenedIsNamed() throws IOException {
    Path path = PackFixture.tiny().write(directory.resolve("model.bora"));
    CutShort.assertNamed(
        path,
        () ->
            MappedFile.open(
                path,
                mapped -> {
                  CutShort.to(path, 0);
                  return PackReader.of(PackFile.of(path, List.of(mapped)));
                }));
  }

  @Test
  void expertIsGateUpAndDown() throws IOException {
    Path path = PackFixture.tiny().write(directory.resolve("model.bora"));
    try (PackReader reader = PackReader.open(path)) {
      assertEquals(
          List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN),
          reader.manifest().expert(0, 1).stream().map(entry -> entry.key().role()).toList());
      TensorKey absent = TensorKey.ofExpert(0, 2, TensorRole.EXPERT_GATE);
      assertThrows(IllegalArgumentException.class, () -> reader.tensor(absent));
    }
  }

  @Test
  void tellsPacksByTheirFirstBytes() throws IOException {
    Path path = PackFixture.tiny().write(directory.resolve("model.bora"));
    assertTrue(PackReader.isPack(path));
    assertFalse(PackReader.isPack(directory));
    assertFalse(PackReader.isPack(directory.resolve("none")));
    assertFalse(PackReader.isPack(Files.write(directory.resolve("empty"), new byte[0])));
    assertFalse(PackReader.isPack(Files.write(directory.resolve("short"), new byte[7])));
    assertFalse(PackReader.isPack(Files.write(directory.resolve("other"), new byte[64])));
  }

  @Test
  void missingPackIsNamed() {
    Path none = directory.resolve("none");
    assertEquals(
        none.toString(),
        assertThrows(NoSuchFileException.class, () -> PackReader.open(none)).getFile());
  }
}
