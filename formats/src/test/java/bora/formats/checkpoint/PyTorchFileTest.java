package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class PyTorchFileTest {
  private static final String REBUILD = "ctorch._utils\n_rebuild_tensor_v2\n";

  @TempDir Path directory;
  private Path file;

  @BeforeEach
  void setUp() {
    file = directory.resolve("pytorch_model.bin");
  }

  private Map<String, byte[]> entries(String pickle) {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    entries.put("data.pkl", pickle.getBytes(StandardCharsets.ISO_8859_1));
    entries.put("data/0", new byte[12]);
    return entries;
  }

  /** A dictionary of one tensor of float16. */
  private static String oneTensor(int elements, int offset, String sizes, String strides) {
    return "\u0080\u0002}\u008c\u0001w"
        + REBUILD
        + "((\u008c\u0007storagectorch\nHalfStorage\n\u008c\u00010\u008c\u0003cpuK"
        + (char) elements
        + "tQK"
        + (char) offset
        + "("
        + sizes
        + "t("
        + strides
        + "t\u0089NtRs.";
  }

  @Test
  void readsTensorsWhereTheyStand() throws IOException {
    byte[] weights = {1, 2, 3, 4, 5, 6, 7, 8};
    new TorchFixture()
        .tensor("b", "BF16", weights, 2, 2)
        .tensor("a", "F32", weights, 2)
        .write(file);
    try (PyTorchFile opened = PyTorchFile.open(file)) {
      StoredTensor first = opened.tensors().get(0);
      assertEquals("a", first.name());
      assertEquals(WeightType.F32, first.type().orElseThrow());
      StoredTensor second = opened.tensors().get(1);
      assertEquals(List.of(2L, 2L), second.dimensions());
      assertEquals("torch.BFloat16Storage", second.typeName());
      assertEquals(8, second.bytes().byteSize());
      assertEquals(8, second.bytes().get(ValueLayout.JAVA_BYTE, 7));
    }
  }

  @Test
  void viewsOfAStorageAreRead() throws IOException {
    String view = oneTensor(6, 2, "K\u0002K\u0002", "K\u0002K\u0001");
    TorchFixture.archive(file, entries(view), ZipEntry.STORED);
    try (PyTorchFile opened = PyTorchFile.open(file)) {
      assertEquals(8, opened.tensors().getFirst().bytes().byteSize());
    }
  }

  static List<Arguments> wrongTensors() {
    return List.of(
        wrong("transposed", oneTensor(6, 0, "K\u0002K\u0003", "K\u0001K\u0002"), "row by row"),
        wrong("beyond its storage", oneTensor(6, 1, "K\u0006", "K\u0001"), "from element 1 of 6"),
        wrong("larger than its bytes", oneTensor(7, 0, "K\u0007", "K\u0001"), "of 12 bytes"),
        wrong(
            "before its storage",
            oneTensor(6, 0, "K\u0001", "K\u0001").replace("tQK\0", "tQJ\u00ff\u00ff\u00ff\u00ff"),
            "from element -1"),
        wrong(
            "of negative size",
            oneTensor(6, 0, "J\u00ff\u00ff\u00ff\u00ff", "K\u0001"),
            "found sizes [-1]"),
        wrong(
            "overflowing",
            oneTensor(
                6,
                0,
                "J\0\0\0\u007f".repeat(3),
                "\u008a\u0008\0\0\0\0\0\0\u0001?J\0\0\0\u007fK\u0001"),
            "overflows"),
        wrong(
            "in a storage that is not there",
            oneTensor(6, 0, "K\u0006", "K\u0001").replace("\u00010", "\u00019"),
            "`data/9`"),
        wrong("a list", "\u0080\u0002].", "expected a dictionary of tensors, found a listing"),
        wrong(
            "a step count",
            "\u0080\u0002}\u008c\u0004stepK\u0001s.",
            "`step`: expected a tensor, found a whole; is this a training checkpoint?"),
        wrong("a nested dictionary", "\u0080\u0002}\u008c\u0005model}s.", "found a dict"),
        wrong("code", "\u0080\u0002cposix\nsystem\n.", "`posix.system`"));
  }

  private static Arguments wrong(String what, String pickle, String word) {
    return Arguments.of(what, pickle, word);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("wrongTensors")
  void refuses(String what, String pickle, String word) throws IOException {
    TorchFixture.archive(file, entries(pickle), ZipEntry.STORED);
    assertCorrupt(file, () -> PyTorchFile.open(file), word);
  }

  @Test
  void compressedEntriesAreRefused() throws IOException {
    TorchFixture.archive(file, entries(oneTensor(6, 0, "K\u0006", "K\u0001")), ZipEntry.DEFLATED);
    assertCorrupt(file, () -> PyTorchFile.open(file), "`archive/data.pkl`", "compressed");
  }

  @Test
  void archiveWithoutAPickleIsRefused() throws IOException {
    TorchFixture.archive(file, Map.of("constants.pkl", new byte[1]), ZipEntry.STORED);
    assertCorrupt(file, () -> PyTorchFile.open(file), "`data.pkl` in the archive, found none");
  }

  @Test
  void bigEndianFilesAreRefused() throws IOException {
    Map<String, byte[]> entries = entries("}.");
    entries.put("byteorder", "big".getBytes(StandardCharsets.US_ASCII));
    TorchFixture.archive(file, entries, ZipEntry.STORED);
    assertCorrupt(file, () -> PyTorchFile.open(file), "byteorder");
  }

  @Test
  void olderFormsAreNamed() throws IOException {
    Files.write(file, HexFormat.of().parseHex("80028a0a6cfc9c46f9206aa850192e80024de9032e"));
    assertCorrupt(file, () -> PyTorchFile.open(file), "since version 1.6, found the older form");
    byte[] tar = new byte[1024];
    System.arraycopy("ustar".getBytes(StandardCharsets.US_ASCII), 0, tar, 257, 5);
    Files.write(file, tar);
    assertCorrupt(file, () -> PyTorchFile.open(file), "found the older form");
  }

  @Test
  void otherFilesAreNamed() throws IOException {
    Files.writeString(file, "version https://git-lfs.github.com/spec/v1\n");
    assertCorrupt(file, () -> PyTorchFile.open(file), "git lfs pull");
    Files.writeString(file, "");
    assertCorrupt(file, () -> PyTorchFile.open(file), "expected a zip archive");
    Files.delete(file);
    assertThrows(NoSuchFileException.class, () -> PyTorchFile.open(file));
  }

  @Test
  void truncatedFilesAreRefusedAtAnyLength() throws IOException {
    new TorchFixture().tensor("a", "F32", new byte[64], 16).write(file);
    byte[] whole = Files.readAllBytes(file);
    for (int length = 0; length < whole.length; length++) {
      Files.write(file, Arrays.copyOf(whole, length));
      assertCorrupt(file, () -> PyTorchFile.open(file));
    }
  }

  @Test
  void everyMutatedFileIsValidOrCorruptAndNothingElse() throws IOException {
    new TorchFixture().tensor("a", "F32", new byte[16], 4).write(file);
    byte[] whole = Files.readAllBytes(file);
    int corrupt = 0;
    int mutations = 3000;
    for (int seed = 0; seed < mutations; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      byte[] bytes = whole.clone();
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
      Files.write(file, bytes);
      try (PyTorchFile opened = PyTorchFile.open(file)) {
        assertTrue(opened.tensors().size() <= 1);
      } catch (CorruptFileException e) {
        corrupt++;
        assertTrue(e.getMessage().startsWith(file + ": "), e.getMessage());
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + seed, e);
      }
    }
    assertTrue(corrupt > mutations / 4, corrupt + " were refused");
  }

  /** Written by torch 2.11.0; the resources are named {@code torch-NAME.pt}. */
  private Path recorded(String name) throws IOException {
    try (InputStream in = PyTorchFileTest.class.getResourceAsStream("torch-" + name + ".pt")) {
      return Files.write(file, in.readAllBytes());
    }
  }

  @Test
  void readsWhatTorchWrites() throws IOException {
    try (PyTorchFile opened = PyTorchFile.open(recorded("small"))) {
      assertEquals(
          List.of(
              "half torch.HalfStorage [3]",
              "long torch.LongStorage [3]",
              "param torch.FloatStorage [2, 2]",
              "t torch.FloatStorage [2, 3]",
              "view torch.BFloat16Storage [2, 6]"),
          opened.tensors().stream()
              .map(t -> t.name() + " " + t.typeName() + " " + t.dimensions())
              .toList());
      float[] values = new float[12];
      StoredTensor view = opened.tensors().get(4);
      assertTrue(WeightDecoder.decode(WeightType.BF16, view.bytes(), 0, 12, values, 0));
      for (int i = 0; i < 12; i++) {
        assertEquals(6 + i, values[i]);
      }
      assertTrue(opened.tensors().get(1).type().isEmpty());
    }
  }

  static List<Arguments> recordedRefusals() {
    return List.of(
        Arguments.of("transposed", "sizes [6, 4] with strides [1, 6]"),
        Arguments.of("nested", "`model`: expected a tensor, found a dict"),
        Arguments.of("legacy", "since version 1.6, found the older form"),
        Arguments.of("module", "`torch.nn.modules.linear.Linear`"),
        Arguments.of("quantized", "`torch._utils._rebuild_qtensor`"),
        Arguments.of("float8", "`torch._utils._rebuild_tensor_v3`"));
  }

  @ParameterizedTest
  @MethodSource("recordedRefusals")
  void refusesWhatTorchWritesOtherwise(String name, String word) throws IOException {
    Path recorded = recorded(name);
    assertCorrupt(recorded, () -> PyTorchFile.open(recorded), word);
  }

  /** As many weights as the config asks for, all of them the same mebibyte. */
  @Test
  void aStorageSharedByManyTensorsIsNotTakenForAsManyWeights() throws IOException {
    CheckpointFixture.mixtral().config("num_local_experts", 1 << 20).write(directory);
    Files.delete(directory.resolve("model.safetensors"));
    TorchFixture torch = new TorchFixture().tensor("a", "F32", new byte[1 << 20], 1 << 18);
    for (int i = 0; i < 8000; i++) {
      torch.sharing("a" + i, "a");
    }
    torch.write(directory.resolve("pytorch_model.bin"));
    assertCorrupt(directory, () -> Checkpoint.open(directory), "number of tensors");
  }
}
