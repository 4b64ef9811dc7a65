package bora.converter.signing;

import bora.formats.CorruptFileException;
import bora.formats.Sha256;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.util.Base64;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.openssl.PEMKeyPair;

/** A public elliptic-curve key. */
public final class VerificationKey {
  private static final int PEM_LINE_CHARACTERS = 64;

  private final PublicKey key;
  private final EllipticCurve curve;

  private VerificationKey(PublicKey key, EllipticCurve curve) {
    this.key = key;
    this.curve = curve;
  }

  /**
   * Reads a PEM file ({@code PUBLIC KEY}).
   *
   * @throws CorruptFileException when it is no public key of P-256, P-384 or P-521
   */
  public static VerificationKey read(Path file) throws IOException {
    Object found = PemFile.read(file);
    if (!(found instanceof SubjectPublicKeyInfo info)) {
      throw new CorruptFileException(
          file, "expected a public key (-----BEGIN PUBLIC KEY-----), found " + describe(found));
    }
    PublicKey key = PemFile.key(file, converter -> converter.getPublicKey(info));
    if (!(key instanceof ECPublicKey elliptic)) {
      throw new CorruptFileException(
          file,
          "expected a public key of an elliptic curve (P-256, P-384 or P-521), found one of "
              + key.getAlgorithm());
    }
    return of(file, elliptic);
  }

  static VerificationKey of(Path file, ECPublicKey key) throws IOException {
    return new VerificationKey(key, EllipticCurve.of(file, key));
  }

  static String describe(Object pem) {
    return switch (pem) {
      case SubjectPublicKeyInfo _ -> "a public key";
      case PEMKeyPair _ -> "a private key";
      case org.bouncycastle.asn1.pkcs.PrivateKeyInfo _ -> "a private key";
      case X509CertificateHolder _ -> "a certificate";
      default -> "a " + pem.getClass().getSimpleName();
    };
  }

  /** The key as {@code openssl pkey -pubout} writes it. */
  public String pem() {
    String base64 =
        Base64.getMimeEncoder(PEM_LINE_CHARACTERS, new byte[] {'\n'})
            .encodeToString(key.getEncoded());
    return "-----BEGIN PUBLIC KEY-----\n" + base64 + "\n-----END PUBLIC KEY-----\n";
  }

  /** What a bundle says of the key that verifies it: the SHA-256 of its PEM. */
  public String hint() {
    return Sha256.of(pem().getBytes(StandardCharsets.US_ASCII));
  }

  /** The PEM once more in base64. */
  String base64Pem() {
    return Base64.getEncoder().encodeToString(pem().getBytes(StandardCharsets.US_ASCII));
  }

  /** Sigstore's name for the kind of key. */
  String details() {
    return curve.keyDetails();
  }

  boolean verifies(byte[] message, byte[] signatureDer) {
    try {
      Signature signature = Signature.getInstance(curve.verifyingAlgorithm(), SigningKey.PROVIDER);
      signature.initVerify(key);
      signature.update(message);
      return signature.verify(signatureDer);
    } catch (GeneralSecurityException e) {
      // Bytes that are no signature at all.
      return false;
    }
  }
}
