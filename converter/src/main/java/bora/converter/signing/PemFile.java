package bora.converter.signing;

import bora.formats.CorruptFileException;
import bora.formats.SmallFile;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;

/** Reads the first key of a PEM file. */
final class PemFile {
  private static final int MAX_BYTES = 64 << 10;

  /** Makes a key of what a file holds. */
  @FunctionalInterface
  interface Conversion<K> {
    K convert(JcaPEMKeyConverter converter) throws IOException;
  }

  private PemFile() {}

  /**
   * What the file holds as Bouncy Castle parses it; curve parameters in front of a key, which
   * {@code openssl ecparam -genkey} writes, are skipped.
   *
   * @throws CorruptFileException when it holds nothing of PEM's form
   */
  static Object read(Path file) throws IOException {
    String text = new String(SmallFile.read(file, MAX_BYTES), StandardCharsets.ISO_8859_1);
    try (PEMParser parser = new PEMParser(new StringReader(text))) {
      Object found = parser.readObject();
      if (found instanceof org.bouncycastle.asn1.ASN1ObjectIdentifier
          || found instanceof org.bouncycastle.asn1.x9.X9ECParameters) {
        found = parser.readObject();
      }
      return Optional.ofNullable(found)
          .orElseThrow(
              () ->
                  new CorruptFileException(
                      file, "expected a key in PEM form (-----BEGIN ...), found none"));
    } catch (CorruptFileException e) {
      throw e;
    } catch (IOException | RuntimeException e) {
      throw new CorruptFileException(file, "no valid PEM: " + e.getMessage(), e);
    }
  }

  /**
   * Makes a key. The library reports damage with exceptions of many kinds, unchecked ones among
   * them.
   *
   * @throws CorruptFileException when the file holds no key that can be used
   */
  static <K> K key(Path file, Conversion<K> conversion) throws CorruptFileException {
    try {
      return conversion.convert(new JcaPEMKeyConverter().setProvider(SigningKey.PROVIDER));
    } catch (IOException | RuntimeException e) {
      throw new CorruptFileException(file, "no valid key: " + e.getMessage(), e);
    }
  }
}
