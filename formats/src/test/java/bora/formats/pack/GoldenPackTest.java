package bora.formats.pack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.Sha256;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The pack of format 1.0 that stays for ever: it was written once and is never written again. When
 * a test here fails, the format has changed.
 */
class GoldenPackTest {
  private static final String SHA256 =
      "57cf234bfe7a224ae2b3438ce9158dc16bd1cf169052dfd582ca534a8b14ab0f";

  @TempDir Path directory;
  private Path golden;

  @BeforeEach
  void setUp() throws IOException {
    golden = directory.resolve("golden.bora");
    try (InputStream resource = GoldenPackTest.class.getResourceAsStream("golden-1.0.bora")) {
      Files.write(golden, resource.readAllBytes());
    }
  }

  @Test
  void isTheFileThatWasCheckedIn() throws IOException {
    assertEquals(SHA256, Sha256.of(Files.readAllBytes(golden)));
    assertTrue(Files.size(golden) < 64 << 10);
  }

  @Test
  void isStillWrittenByteForByte() throws IOException {
    Path fresh = PackFixture.tiny().write(directory.resolve("fresh.bora"));
    assertArrayEquals(Files.readAllBytes(golden), Files.readAllBytes(fresh));
  }

  @Test
  void isStillRead() throws IOException {
    try (PackReader reader = PackReader.open(golden)) {
      reader.checkIntegrity(ProgressListener.NONE);
      assertEquals(PackFixture.tiny().config(), reader.config());
      assertEquals(PackFixture.PROVENANCE, reader.manifest().provenance());
      assertEquals(PackFixture.tiny().encodings().size(), reader.manifest().entries().size());
    }
  }

  /** Columns 0, 1 and 15, decoded by a program of its own, written from the document. */
  static List<Arguments> weights() {
    return List.of(
        weights(TensorKey.ofModel(TensorRole.EMBEDDING), Encoding.Q4, 17)
            .of(0x1.9e61cep-3f, -0x1.27fcb8p-3f, 0x1.80c88ap-2f),
        weights(TensorKey.ofExpert(0, 1, TensorRole.EXPERT_GATE), Encoding.Q6, 23)
            .of(3.86328125f, -2.78515625f, 0.08984375f),
        weights(TensorKey.ofLayer(0, TensorRole.QUERY), Encoding.Q8, 1)
            .of(-0x1.f33d38p3f, 0x1.14ff48p2f, 0x1.46ebcep4f),
        weights(TensorKey.ofLayer(0, TensorRole.KEY), Encoding.BF16, 7)
            .of(0.4375f, 0.0390625f, -0.046875f),
        weights(TensorKey.ofLayer(0, TensorRole.VALUE), Encoding.F32, 7)
            .of(-0.078125f, -0.0546875f, 0.1484375f));
  }

  /** Takes the weights of a row. */
  interface Row {
    Arguments of(float... weights);
  }

  private static Row weights(TensorKey key, Encoding encoding, int row) {
    return weights -> Arguments.of(key, encoding, row, weights);
  }

  @ParameterizedTest(name = "{1}")
  @MethodSource("weights")
  void stillMeansTheSameWeights(TensorKey key, Encoding encoding, int row, float[] weights)
      throws IOException {
    try (PackReader reader = PackReader.open(golden)) {
      EncodedTensor tensor = reader.tensor(key);
      float[] values = new float[tensor.shape().columns()];
      tensor.decodeRow(row, values, 0);
      assertEquals(encoding, tensor.encoding());
      assertArrayEquals(weights, new float[] {values[0], values[1], values[15]});
    }
  }

  /** The header and the magic of the footer, literally as {@code docs/format.md} gives them. */
  @Test
  void beginsAndEndsAsTheDocumentSays() throws IOException {
    byte[] bytes = Files.readAllBytes(golden);
    String header = "89424F52410D0A1A 0100 0000 40000000 0000000000000000 40000000 00100000";
    assertArrayEquals(hex(header), Arrays.copyOf(bytes, 32));
    assertArrayEquals(new byte[28], Arrays.copyOfRange(bytes, 32, 60));
    assertArrayEquals(
        hex("76BDB0ADBEF2F5E5"), Arrays.copyOfRange(bytes, bytes.length - 8, bytes.length));
    String manifest = new String(ForgedPack.of(golden).manifest(), StandardCharsets.UTF_8);
    assertTrue(
        manifest.startsWith(
            "{\"format\":{\"major\":1,\"minor\":0},\"tool\":{\"name\":\"bora\",\"version\":\"0.1.0\"},"
                + "\"config\":{\"architecture\":\"mixtral\",\"vocabSize\":24,\"hiddenSize\":16,"),
        manifest);
    assertTrue(manifest.endsWith("\"}}\n"), manifest);
  }

  private static byte[] hex(String digits) {
    return HexFormat.of().parseHex(digits.replace(" ", ""));
  }
}
