package bora.converter.signing;

import bora.formats.CorruptFileException;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.ECPrivateKey;
import java.security.interfaces.ECPublicKey;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.jce.spec.ECPublicKeySpec;
import org.bouncycastle.openssl.PEMEncryptedKeyPair;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.pkcs.PKCS8EncryptedPrivateKeyInfo;

/** A private elliptic-curve key, as {@code openssl} writes it, and the public one beside it. */
public final class SigningKey {
  static final BouncyCastleProvider PROVIDER = new BouncyCastleProvider();

  private final PrivateKey key;
  private final EllipticCurve curve;
  private final VerificationKey verificationKey;

  private SigningKey(PrivateKey key, EllipticCurve curve, VerificationKey verificationKey) {
    this.key = key;
    this.curve = curve;
    this.verificationKey = verificationKey;
  }

  /**
   * Reads a PEM file of SEC 1 ({@code EC PRIVATE KEY}) or PKCS #8 ({@code PRIVATE KEY}).
   *
   * @throws CorruptFileException when it is encrypted, or no private key of P-256, P-384 or P-521
   */
  public static SigningKey read(Path file) throws IOException {
    Object found = PemFile.read(file);
    PrivateKey key =
        switch (found) {
          case PEMKeyPair pair ->
              PemFile.key(file, converter -> converter.getKeyPair(pair).getPrivate());
          case PrivateKeyInfo info -> PemFile.key(file, converter -> converter.getPrivateKey(info));
          case PEMEncryptedKeyPair _ -> throw encrypted(file);
          case PKCS8EncryptedPrivateKeyInfo _ -> throw encrypted(file);
          default ->
              throw new CorruptFileException(
                  file, "expected a private key, found " + VerificationKey.describe(found));
        };
    if (!(key instanceof ECPrivateKey elliptic)) {
      throw new CorruptFileException(
          file,
          "expected a private key of an elliptic curve (P-256, P-384 or P-521), found one of "
              + key.getAlgorithm());
    }
    EllipticCurve curve = EllipticCurve.of(file, elliptic);
    return new SigningKey(key, curve, VerificationKey.of(file, publicKey(elliptic)));
  }

  private static CorruptFileException encrypted(Path file) {
    return new CorruptFileException(
        file, "the key is encrypted; decrypt it with `openssl pkey -in KEY -out PLAIN`");
  }

  /** The public point is the generator times the secret. */
  private static ECPublicKey publicKey(ECPrivateKey key) throws IOException {
    var named = (org.bouncycastle.jce.interfaces.ECPrivateKey) key;
    var parameters = named.getParameters();
    try {
      PublicKey computed =
          java.security.KeyFactory.getInstance("EC", PROVIDER)
              .generatePublic(
                  new ECPublicKeySpec(
                      parameters.getG().multiply(named.getD()).normalize(), parameters));
      return (ECPublicKey) computed;
    } catch (GeneralSecurityException e) {
      throw new IOException("cannot compute the public key: " + e.getMessage(), e);
    }
  }

  /** The key that verifies what this one signs. */
  public VerificationKey verificationKey() {
    return verificationKey;
  }

  /** Signs by ECDSA with the nonce of RFC 6979; the signature is in DER. */
  byte[] sign(byte[] message) {
    try {
      Signature signature = Signature.getInstance(curve.signingAlgorithm(), PROVIDER);
      signature.initSign(key);
      signature.update(message);
      return signature.sign();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("a key that was read can sign", e);
    }
  }
}
