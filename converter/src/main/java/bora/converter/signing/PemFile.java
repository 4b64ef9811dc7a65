package bora.converter.signing;

import bora.formats.CorruptFileException;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.bouncycastle.openssl.PEMParser;

/** Reads the first key of a PEM file. */
final class PemFile {
  private static final long MAX_BYTES = 64 << 10;

  private PemFile() {}

  /**
   * What the file holds as Bouncy Castle parses it; curve parameters in front of a key, which
   * {@code openssl ecparam -genkey} writes, are skipped.
   *
   * @throws CorruptFileException when it holds nothing of PEM's form
   */
  static Object read(Path file) throws IOException {
    long bytes = Files.size(file);
    if (bytes > MAX_BYTES) {
      throw new CorruptFileException(
          file, "expected a key in PEM form, found a file of " + bytes + " bytes");
    }
    String text = Files.readString(file, StandardCharsets.ISO_8859_1);
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
}
