package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.encoding.Encoding;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The bytes of one fixed matrix, the same on every machine. A change here makes every release
 * reproduce differently: change the expected values only with a note in the change log.
 */
final class TensorEncoderGoldenTest {
  @ParameterizedTest
  @CsvSource({
    "F32, c35bd0b14b52ff25fddc414c7749f3c2dab311d3551a41ac712584ee9d9f57d0",
    "BF16, 1afbe52ee1c900e42b694418849b22d94c8717c712634429bd81ab4469a798e7",
    "Q8, 141b5ea93c5804fb06ac3749893839127d7cf0688242f78d891f096ea38ddf3a",
    "Q6, e4dcac203029a30e2660fc4477a616132490a3cfe38519783ddb20b544f27b72",
    "Q4, 26fd374a0f551ef42e80d2b8b434c818eb5a057693fab46fb4e8f716f54ef3c5",
    "Q5, 7417f3f46c7b029819e559648212c274996299c2d8ac20c5d470f0e5cb1fde62",
    "Q3, a4f4811c5ac2348dbc1221865038f046d778ad322f499ad57930fa8f1471216e",
    "Q2, 6de79fe9da2ba47d21722c02a1a15ff26a7440d54a915237f18ba530aa115463"
  })
  void encodesTheSameBytesForEver(Encoding encoding, String sha256) throws Exception {
    SampledMatrix weights = TestWeights.gaussian(70, 333, 0.02, 20261124);
    byte[] bytes = TestWeights.bytes(new TensorEncoder(), weights, encoding);
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
    assertEquals(sha256, HexFormat.of().formatHex(digest));
  }
}
