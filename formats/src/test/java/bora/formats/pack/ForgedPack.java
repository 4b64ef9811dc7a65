package bora.formats.pack;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.zip.CRC32C;

/**
 * A pack altered by someone who makes its checksums right again, so that only the check meant can
 * find it. Takes its offsets from {@code docs/format.md}.
 */
final class ForgedPack {
  private byte[] bytes;

  private ForgedPack(byte[] bytes) {
    this.bytes = bytes;
  }

  static ForgedPack of(Path pack) throws IOException {
    return new ForgedPack(Files.readAllBytes(pack));
  }

  private ByteBuffer buffer() {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  int manifestOffset() {
    return (int) buffer().getLong(bytes.length - 64);
  }

  byte[] manifest() {
    return Arrays.copyOfRange(bytes, manifestOffset(), bytes.length - 64);
  }

  /** Changes the header and signs it again. */
  ForgedPack header(Consumer<ByteBuffer> change) {
    change.accept(buffer());
    buffer().putInt(60, crc(bytes, 0, 60));
    return this;
  }

  /** Changes the footer, given as the file's last 64 bytes, and signs it again. */
  ForgedPack footer(Consumer<ByteBuffer> change) {
    int start = bytes.length - 64;
    change.accept(buffer().slice(start, 64).order(ByteOrder.LITTLE_ENDIAN));
    buffer().putInt(start + 52, crc(bytes, start, start + 52));
    return this;
  }

  /** Changes the manifest's tree and signs manifest and footer again. */
  ForgedPack manifest(Consumer<ObjectNode> change) throws IOException {
    ObjectNode root = (ObjectNode) StrictJson.parseObject(Path.of("manifest"), manifest());
    change.accept(root);
    return manifestBytes(old -> StrictJson.toBytes(root));
  }

  /** Changes the manifest's text and signs manifest and footer again. */
  ForgedPack manifestText(UnaryOperator<String> change) {
    return manifestBytes(
        old ->
            change.apply(new String(old, StandardCharsets.UTF_8)).getBytes(StandardCharsets.UTF_8));
  }

  private ForgedPack manifestBytes(UnaryOperator<byte[]> change) {
    byte[] manifest = change.apply(manifest());
    int offset = manifestOffset();
    byte[] footer = Arrays.copyOfRange(bytes, bytes.length - 64, bytes.length);
    bytes = Arrays.copyOf(bytes, offset + manifest.length + 64);
    System.arraycopy(manifest, 0, bytes, offset, manifest.length);
    System.arraycopy(footer, 0, bytes, offset + manifest.length, 64);
    return footer(
        f ->
            f.putLong(8, manifest.length)
                .putLong(16, bytes.length)
                .putInt(24, crc(manifest, 0, manifest.length)));
  }

  /** Changes one byte outside of header, manifest and footer. */
  ForgedPack set(long offset, int value) {
    bytes[Math.toIntExact(offset)] = (byte) value;
    return this;
  }

  Path write(Path file) throws IOException {
    return Files.write(file, bytes);
  }

  /** The node of one tensor or attachment of a manifest. */
  static ObjectNode element(JsonNode root, String list, int index) {
    ArrayNode array = (ArrayNode) root.get(list);
    return (ObjectNode) array.get(index);
  }

  private static int crc(byte[] bytes, int from, int to) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, from, to - from);
    return (int) crc.getValue();
  }
}
