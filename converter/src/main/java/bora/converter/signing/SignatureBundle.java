package bora.converter.signing;

import bora.formats.CorruptFileException;
import bora.formats.json.JsonFields;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;

/** A statement in its DSSE envelope in its Sigstore bundle, signed by one key. */
final class SignatureBundle {
  private static final String MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
  private static final String PAYLOAD_TYPE = "application/vnd.in-toto+json";
  private static final int MAX_BYTES = 256 << 20;

  private SignatureBundle() {}

  /** The bundle's bytes; no line feed at the end, so that each of its bytes counts. */
  static byte[] write(byte[] payload, SigningKey key) {
    ObjectNode root = StrictJson.newObject();
    root.put("mediaType", MEDIA_TYPE);
    ObjectNode material = root.putObject("verificationMaterial");
    material.putObject("publicKey").put("hint", key.verificationKey().hint());
    material.putArray("tlogEntries");
    ObjectNode envelope = root.putObject("dsseEnvelope");
    envelope.put("payload", Base64.getEncoder().encodeToString(payload));
    envelope.put("payloadType", PAYLOAD_TYPE);
    byte[] signature = key.sign(preAuthenticationEncoding(payload));
    envelope
        .putArray("signatures")
        .addObject()
        .put("sig", Base64.getEncoder().encodeToString(signature))
        .put("keyid", "");
    byte[] line = StrictJson.toBytes(root);
    return Arrays.copyOf(line, line.length - 1);
  }

  /**
   * The payload of a bundle that a key signed. Anything that the format does not have is refused:
   * what is not understood is not vouched for.
   *
   * @throws CorruptFileException when the file is no bundle, or the key did not sign it
   */
  static byte[] read(Path file, VerificationKey key) throws IOException {
    JsonFields root = JsonFields.of(file, StrictJson.readObject(file, MAX_BYTES));
    requireText(root, "mediaType", MEDIA_TYPE);
    readMaterial(root.object("verificationMaterial"), key);
    JsonFields envelope = root.object("dsseEnvelope");
    byte[] payload = base64(envelope, "payload");
    requireText(envelope, "payloadType", PAYLOAD_TYPE);
    List<JsonFields> signatures = envelope.objects("signatures");
    if (signatures.size() != 1) {
      throw envelope.wrong("signatures", "one signature", signatures.size());
    }
    byte[] signature = base64(signatures.get(0), "sig");
    if (signatures.get(0).has("keyid")) {
      requireText(signatures.get(0), "keyid", "");
    }
    signatures.get(0).refuseOthers();
    envelope.refuseOthers();
    root.refuseOthers();
    if (!key.verifies(preAuthenticationEncoding(payload), signature)) {
      throw new CorruptFileException(
          file, "the signature is not this key's over this statement: one of them was changed");
    }
    return payload;
  }

  private static void readMaterial(JsonFields material, VerificationKey key) throws IOException {
    JsonFields publicKey = material.object("publicKey");
    if (publicKey.has("hint")) {
      requireText(publicKey, "hint", key.hint());
    } else {
      // As version 1.0 wrote it: the key itself, in PEM, and the name of its kind.
      requireText(publicKey, "rawBytes", key.base64Pem());
      requireText(publicKey, "keyDetails", key.details());
    }
    publicKey.refuseOthers();
    if (material.has("tlogEntries") && !material.objects("tlogEntries").isEmpty()) {
      throw material.wrong("tlogEntries", "none, as for a key", "some");
    }
    material.refuseOthers();
  }

  private static void requireText(JsonFields fields, String key, String expected)
      throws IOException {
    String found = fields.text(key);
    if (!found.equals(expected)) {
      throw fields.wrong(key, expected, found + " (signed by another key, or changed?)");
    }
  }

  /** Decodes the one base64 of each sequence of bytes. */
  private static byte[] base64(JsonFields fields, String key) throws IOException {
    String text = fields.text(key);
    try {
      byte[] bytes = Base64.getDecoder().decode(text);
      if (Base64.getEncoder().encodeToString(bytes).equals(text)) {
        return bytes;
      }
    } catch (IllegalArgumentException e) {
      throw fields.wrong(key, "base64", e.getMessage());
    }
    throw fields.wrong(key, "base64 as it is written", "stray bits or missing padding");
  }

  /** DSSE, protocol 1.0.0: what is signed instead of the payload itself. */
  private static byte[] preAuthenticationEncoding(byte[] payload) {
    byte[] head =
        ("DSSEv1 " + PAYLOAD_TYPE.length() + " " + PAYLOAD_TYPE + " " + payload.length + " ")
            .getBytes(StandardCharsets.UTF_8);
    byte[] encoded = Arrays.copyOf(head, head.length + payload.length);
    System.arraycopy(payload, 0, encoded, head.length, payload.length);
    return encoded;
  }
}
