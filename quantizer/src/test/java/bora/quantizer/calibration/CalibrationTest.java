package bora.quantizer.calibration;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CalibrationTest {
  private static final ModelConfig CONFIG =
      new ModelConfig(
          Architecture.MISTRAL,
          8,
          4,
          6,
          1,
          2,
          1,
          2,
          1,
          1,
          1e-5,
          10_000,
          OptionalInt.empty(),
          64,
          false,
          OptionalInt.empty(),
          List.of());
  private static final TensorKey QUERY = TensorKey.ofLayer(0, TensorRole.QUERY);
  private static final CalibrationSource SOURCE =
      new CalibrationSource("ab".repeat(32), "cd".repeat(32), 3, 16, 1, "float32");

  private static final List<int[]> WINDOWS =
      IntStream.range(0, 3)
          .mapToObj(window -> IntStream.range(0, 16).map(i -> (window + i) % 2).toArray())
          .toList();

  @TempDir private Path directory;

  private static SecondMoments moments(double value) {
    double[][] block = new double[4][];
    for (int i = 0; i < 4; i++) {
      block[i] = new double[i + 1];
      Arrays.fill(block[i], value + i);
    }
    return new SecondMoments(45, List.<double[][]>of(block));
  }

  private Path write() throws IOException {
    Path file = directory.resolve("c");
    SequencedMap<TensorKey, Double> losses = new LinkedHashMap<>();
    losses.put(QUERY, 2.5);
    try (CalibrationWriter writer = CalibrationWriter.create(file)) {
      writer.add(QUERY, moments(1));
      assertArrayEquals(
          moments(1).diagonal(), writer.moments(QUERY).orElseThrow().diagonal(), "read back");
      writer.finish(
          SOURCE,
          WINDOWS,
          List.of(new ExpertCoverage(0, 0, 45, 45.0)),
          List.of(new GroupSensitivity("layer 0 q", 0.125, losses)),
          Map.of(QUERY, Map.of(Encoding.T3, 0.5, Encoding.Q4, 0.25)));
    }
    return file;
  }

  @Test
  void givesBackWhatWasWritten() throws IOException {
    try (Calibration read = Calibration.open(write(), CONFIG, SOURCE.checkpoint())) {
      assertEquals(SOURCE, read.source());
      assertEquals(3, read.windows().size());
      assertArrayEquals(WINDOWS.get(1), read.windows().get(1));
      assertEquals(45, read.coverage().getFirst().tokens());
      assertEquals(0.125, read.sensitivities().getFirst().divergence());
      assertEquals(2.5, read.sensitivities().getFirst().losses().get(QUERY));
      assertEquals(Map.of(Encoding.T3, 0.5, Encoding.Q4, 0.25), read.losses().get(QUERY));
      SecondMoments seen = read.moments(QUERY).orElseThrow();
      assertEquals(45, seen.rows());
      assertArrayEquals(new double[] {1, 2, 3, 4}, seen.diagonal());
      assertTrue(read.moments(TensorKey.ofModel(TensorRole.LM_HEAD)).isEmpty());
    }
  }

  @Test
  void refusesAnotherCheckpoint() throws IOException {
    Path file = write();
    assertThrows(
        MismatchedArtifactException.class, () -> Calibration.open(file, CONFIG, "ef".repeat(32)));
  }

  @Test
  void findsDamageAtEveryByte() throws IOException {
    byte[] whole = Files.readAllBytes(write());
    Path damaged = directory.resolve("damaged");
    for (int at = 0; at < whole.length; at++) {
      byte[] bytes = whole.clone();
      bytes[at] ^= 4;
      Files.write(damaged, bytes);
      assertThrows(
          IOException.class,
          () -> {
            try (Calibration read = Calibration.open(damaged, CONFIG, SOURCE.checkpoint())) {
              read.moments(QUERY);
            }
          },
          "byte " + at);
    }
  }

  @Test
  void namesAFileThatIsCutShortWhileItsMomentsAreRead() throws IOException {
    Path file = write();
    try (Calibration read = Calibration.open(file, CONFIG, SOURCE.checkpoint());
        FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.truncate(0);
      IOException thrown = assertThrows(IOException.class, () -> read.moments(QUERY));
      String expected = file + ": was cut short while it was in use: expected ";
      assertTrue(thrown.getMessage().startsWith(expected), thrown.getMessage());
    }
  }

  /** Writes the file again with another manifest, its checksum right. */
  private Path forge(String target, String replacement) throws IOException {
    byte[] whole = Files.readAllBytes(write());
    int footer = whole.length - CalibrationFormat.FOOTER_BYTES;
    long offset = MemorySegment.ofArray(whole).get(LittleEndian.LONG, footer);
    String manifest = new String(whole, (int) offset, footer - (int) offset, UTF_8);
    byte[] forged = manifest.replace(target, replacement).getBytes(UTF_8);
    Path file = directory.resolve("forged");
    try (OutputStream out = Files.newOutputStream(file)) {
      out.write(whole, 0, (int) offset);
      out.write(forged);
      out.write(CalibrationFormat.footer(offset, forged));
    }
    return file;
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      value = {
        "`\"columns\":4`, `\"columns\":2147483647`, those of 2147483647 columns",
        "`\"columns\":4`, `\"columns\":0`, those of 0 columns",
        "`\"rows\":45`, `\"rows\":-1`, not negative",
        "`\"encodingLosses\":[`,"
            + " `\"encodingLosses\":[{\"layer\":0,\"expert\":null,\"role\":\"q\",\"q4\":1.0},`,"
            + " once"
      })
  void refusesWhatNoWriterSays(String target, String replacement, String problem)
      throws IOException {
    Path forged = forge(target, replacement);
    CorruptFileException thrown =
        assertThrows(
            CorruptFileException.class,
            () -> Calibration.open(forged, CONFIG, SOURCE.checkpoint()));
    assertTrue(thrown.getMessage().contains(problem), thrown.getMessage());
  }

  /** The widest would be counted block by block for ever, where the count of columns wraps. */
  @ParameterizedTest
  @CsvSource({
    "1, 4",
    "4, 40",
    "4096, 33562624",
    "4097, 16785412",
    "6144, 25178112",
    "2147483647, 8800387981312"
  })
  void reckonsTheBytesOfAnyNumberOfColumns(int columns, long bytes) {
    assertEquals(bytes, MomentsEntry.bytesOf(columns));
  }

  @Test
  void refusesMomentsThatAreNoNumbersAndLeavesNothing() throws IOException {
    Path file = directory.resolve("nan");
    try (CalibrationWriter writer = CalibrationWriter.create(file)) {
      assertThrows(IOException.class, () -> writer.add(QUERY, moments(Double.NaN)));
    }
    assertFalse(Files.exists(file));
    assertEquals(0, directory.toFile().list().length);
  }

  @Test
  void saysThatAFileIsNoCalibration() throws IOException {
    Path file = Files.writeString(directory.resolve("text"), "no calibration");
    assertThrows(
        CorruptFileException.class, () -> Calibration.open(file, CONFIG, SOURCE.checkpoint()));
  }
}
