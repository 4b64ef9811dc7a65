package bora.converter.signing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.Sha256;
import java.io.IOException;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SignedDirectoryTest {
  private static final String SIGNATURE = "model.sig";

  @TempDir private Path temporary;

  private static Path vector() throws URISyntaxException {
    return Path.of(SignedDirectoryTest.class.getResource("vector/public.pem").toURI()).getParent();
  }

  private Path copyOfVector() throws IOException, URISyntaxException {
    Path from = vector().resolve("model");
    Path to = temporary.resolve("copy");
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(from.relativize(file).toString()));
      }
    }
    return to;
  }

  private static SignedDirectory verify(Path directory, Path key) throws IOException {
    return SignedDirectory.verify(
        directory, directory.resolve(SIGNATURE), VerificationKey.read(key), ProgressListener.NONE);
  }

  private static String refusal(Path directory, Path key) {
    return assertThrows(IOException.class, () -> verify(directory, key)).getMessage();
  }

  private static KeyPair keys(String algorithm, String curve) throws GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance(algorithm, SigningKey.PROVIDER);
    if (curve.isEmpty()) {
      generator.initialize(1024);
    } else {
      generator.initialize(new ECGenParameterSpec(curve));
    }
    return generator.generateKeyPair();
  }

  private Path pem(String name, Object content) throws IOException {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      writer.writeObject(content);
    }
    return Files.writeString(temporary.resolve(name), text.toString());
  }

  /** Signs all files of a directory as they are. */
  private static byte[] sign(Path directory, SigningKey key) throws IOException {
    Map<String, String> hashes = new TreeMap<>();
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        hashes.put(directory.relativize(file).toString(), Sha256.of(file, ProgressListener.NONE));
      }
    }
    hashes.remove(SIGNATURE);
    return SignedDirectory.sign(key, "model", hashes, List.of(SIGNATURE));
  }

  @Test
  void acceptsWhatOtherCodeSigned() throws Exception {
    SignedDirectory signed = verify(vector().resolve("model"), vector().resolve("public.pem"));
    assertEquals("model", signed.name());
    assertEquals(Set.of("a.txt", "weights.txt", "weights/b.bin"), signed.sha256().keySet());
    assertEquals(
        List.of("a.txt", "weights/b.bin", "weights.txt"), List.copyOf(signed.sha256().keySet()));
  }

  @ParameterizedTest
  @CsvSource({"secp256r1,false", "secp384r1,true", "secp521r1,false", "secp256r1,true"})
  void verifiesWhatItSignedAndSignsAlikeTwice(String curve, boolean pkcs8) throws Exception {
    KeyPair keys = keys("EC", curve);
    Path secret =
        pem("key.pem", pkcs8 ? new JcaPKCS8Generator(keys.getPrivate(), null) : keys.getPrivate());
    Path directory = copyOfVector();
    byte[] signature = sign(directory, SigningKey.read(secret));
    Files.write(directory.resolve(SIGNATURE), signature);
    assertEquals(3, verify(directory, pem("public.pem", keys.getPublic())).sha256().size());
    assertArrayEquals(signature, sign(directory, SigningKey.read(secret)));
  }

  @Test
  void namesEveryFileThatIsNotWhatWasSigned() throws Exception {
    Path directory = copyOfVector();
    Path key = vector().resolve("public.pem");
    Files.writeString(directory.resolve("a.txt"), "First\n");
    Files.delete(directory.resolve("weights.txt"));
    Files.writeString(directory.resolve("weights/more"), "");
    String message = refusal(directory, key);
    assertTrue(message.contains("changed: a.txt"), message);
    assertTrue(message.contains("missing: weights.txt"), message);
    assertTrue(message.contains("not signed: weights/more"), message);
  }

  @Test
  void refusesLinks() throws Exception {
    Path directory = copyOfVector();
    Path file = directory.resolve("a.txt");
    Files.move(file, temporary.resolve("elsewhere"));
    Files.createSymbolicLink(file, temporary.resolve("elsewhere"));
    assertTrue(
        refusal(directory, vector().resolve("public.pem")).contains("a.txt: expected plain"));
  }

  @Test
  void noByteOfASignatureCanChangeUnseen() throws Exception {
    KeyPair keys = keys("EC", "secp256r1");
    Path directory = Files.createDirectory(temporary.resolve("small"));
    Files.writeString(directory.resolve("f"), "x");
    byte[] signature = sign(directory, SigningKey.read(pem("key.pem", keys.getPrivate())));
    VerificationKey key = VerificationKey.read(pem("public.pem", keys.getPublic()));
    Path file = directory.resolve(SIGNATURE);
    for (int i = 0; i < signature.length; i++) {
      for (int mask : new int[] {1, 0x20, 0x80}) {
        byte[] changed = signature.clone();
        changed[i] ^= (byte) mask;
        Files.write(file, changed);
        String at = "byte " + i + ", mask " + mask;
        assertThrows(
            IOException.class,
            () -> SignedDirectory.verify(directory, file, key, ProgressListener.NONE),
            at);
      }
    }
  }

  @Test
  void refusesADirectoryWithoutSignature() throws Exception {
    Path directory = copyOfVector();
    Files.delete(directory.resolve(SIGNATURE));
    assertTrue(refusal(directory, vector().resolve("public.pem")).contains("not signed"));
  }

  @Test
  void refusesASignatureOfAnotherKey() throws Exception {
    Path other = pem("public.pem", keys("EC", "secp384r1").getPublic());
    assertTrue(refusal(vector().resolve("model"), other).contains("signed by another key"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"RSA,", "EC,secp256k1", "EC,secp224r1", "EC,brainpoolP256r1"})
  void refusesKeysThatTheFormatDoesNotHave(String kind) throws Exception {
    String[] parts = kind.split(",", -1);
    KeyPair keys = keys(parts[0], parts[1]);
    Path secret = pem("key.pem", keys.getPrivate());
    Path open = pem("public.pem", keys.getPublic());
    for (IOException refusal :
        List.of(
            assertThrows(IOException.class, () -> SigningKey.read(secret)),
            assertThrows(IOException.class, () -> VerificationKey.read(open)))) {
      assertTrue(refusal.getMessage().contains("P-256, P-384"), refusal.getMessage());
    }
  }

  @Test
  void refusesAKeyInTheOthersPlaceAndNoKey() throws Exception {
    KeyPair keys = keys("EC", "secp256r1");
    Path secret = pem("key.pem", keys.getPrivate());
    Path open = pem("public.pem", keys.getPublic());
    Path none = Files.writeString(temporary.resolve("none.pem"), "nothing");
    String[][] cases = {
      {assertThrows(IOException.class, () -> SigningKey.read(open)).getMessage(), "public key"},
      {
        assertThrows(IOException.class, () -> VerificationKey.read(secret)).getMessage(),
        "private key"
      },
      {assertThrows(IOException.class, () -> SigningKey.read(none)).getMessage(), "PEM"},
      {assertThrows(IOException.class, () -> VerificationKey.read(none)).getMessage(), "PEM"},
    };
    for (String[] refusal : cases) {
      assertTrue(refusal[0].contains(refusal[1]), refusal[0]);
    }
  }

  /** Keys come from elsewhere: a damaged one is named, whatever the library makes of it. */
  @Test
  void aKeyWithAnyByteChangedIsReadOrNamed() throws Exception {
    KeyPair keys = keys("EC", "secp256r1");
    for (Path whole : List.of(pem("key.pem", keys.getPrivate()), pem("p.pem", keys.getPublic()))) {
      byte[] bytes = Files.readAllBytes(whole);
      Path damaged = temporary.resolve("damaged.pem");
      for (int i = 0; i < bytes.length; i++) {
        byte[] changed = bytes.clone();
        changed[i] ^= 1;
        Files.write(damaged, changed);
        try {
          if (whole.endsWith("key.pem")) {
            SigningKey unused = SigningKey.read(damaged);
          } else {
            VerificationKey unused = VerificationKey.read(damaged);
          }
        } catch (IOException e) {
          assertTrue(e.getMessage().startsWith(damaged + ": "), e.getMessage());
        }
      }
    }
  }
}
