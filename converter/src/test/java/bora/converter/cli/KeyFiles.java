package bora.converter.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import java.util.Base64;

/** A new pair of P-256 as {@code openssl} would write it. */
record KeyFiles(Path secret, Path open) {
  static KeyFiles in(Path directory) throws IOException, GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    KeyPair keys = generator.generateKeyPair();
    return new KeyFiles(
        Files.writeString(
            directory.resolve("key.pem"), pem("PRIVATE KEY", keys.getPrivate().getEncoded())),
        Files.writeString(
            directory.resolve("public.pem"), pem("PUBLIC KEY", keys.getPublic().getEncoded())));
  }

  private static String pem(String title, byte[] der) {
    String base64 = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
    return "-----BEGIN " + title + "-----\n" + base64 + "\n-----END " + title + "-----\n";
  }
}
