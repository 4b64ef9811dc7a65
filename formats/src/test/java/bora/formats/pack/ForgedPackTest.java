package bora.formats.pack;

import static bora.formats.FileErrors.assertCorrupt;
import static bora.formats.FileErrors.assertUnsupported;
import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.ProgressListener;
import bora.formats.UnsupportedVersionException.Reason;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Packs whose checksums are right and whose content is not, or is of another version. */
class ForgedPackTest {
  private static final int QUERY = 2;
  private static final int W1 = 8;

  @TempDir Path directory;
  private Path pack;
  private ForgedPack forged;

  @BeforeEach
  void setUp() throws IOException {
    pack = directory.resolve("model.bora");
    forged = ForgedPack.of(PackFixture.tiny().write(pack));
  }

  @Test
  void signingAgainAloneChangesNothing() throws IOException {
    forged.header(header -> {}).manifest(root -> {}).write(pack);
    PackReader.open(pack).close();
  }

  static List<Arguments> versions() {
    return List.of(
        version("major 2", Reason.TOO_NEW, h -> h.putShort(8, (short) 2), "expected 1, found 2.0"),
        version("major 65535", Reason.TOO_NEW, h -> h.putShort(8, (short) 0xFFFF), "found 65535.0"),
        version("major 0", Reason.TOO_OLD, h -> h.putShort(8, (short) 0), "expected 1, found 0.0"),
        version("unknown feature", Reason.TOO_NEW, h -> h.putLong(16, 3), "features", "found 0x2"),
        version(
            "last feature",
            Reason.TOO_NEW,
            h -> h.putLong(16, Long.MIN_VALUE),
            "found 0x8000000000000000"),
        version(
            "major 2 with all else unknown",
            Reason.TOO_NEW,
            h -> h.putShort(8, (short) 2).putInt(12, 128).putInt(24, 0).putInt(40, 7),
            "found 2.0"));
  }

  private static Arguments version(
      String name, Reason reason, Consumer<ByteBuffer> change, String... words) {
    return Arguments.of(name, reason, change, words);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("versions")
  void otherVersionIsToldFromDamage(
      String name, Reason reason, Consumer<ByteBuffer> change, String[] words) throws IOException {
    forged.header(change).write(pack);
    assertUnsupported(pack, reason, () -> PackReader.open(pack), words);
  }

  static List<Arguments> headers() {
    return List.of(
        lie("header length", h -> h.putInt(12, 128)),
        lie("tensor alignment", h -> h.putInt(24, 128)),
        lie("expert alignment", h -> h.putInt(28, 64)),
        lie("first reserved byte", h -> h.put(32, (byte) 1)),
        lie("last reserved byte", h -> h.put(59, (byte) 1)));
  }

  private static Arguments lie(String name, Consumer<ByteBuffer> change) {
    return Arguments.of(name, change);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("headers")
  void refusesHeader(String name, Consumer<ByteBuffer> change) throws IOException {
    forged.header(change).write(pack);
    assertCorrupt(pack, () -> PackReader.open(pack), "the header is not that of format 1");
  }

  static List<Arguments> footers() {
    return List.of(
        lie("manifest a byte earlier", f -> f.putLong(0, f.getLong(0) - 1)),
        lie(
            "manifest 64 bytes earlier and longer",
            f -> f.putLong(0, f.getLong(0) - 64).putLong(8, f.getLong(8) + 64)),
        lie("negative offset", f -> f.putLong(0, -64)),
        lie("offset in the header", f -> f.putLong(0, 0)),
        lie("length of zero", f -> f.putLong(8, 0)),
        lie("negative length", f -> f.putLong(8, -1)),
        lie("huge length", f -> f.putLong(8, Long.MAX_VALUE)),
        lie("both at once", f -> f.putLong(0, Long.MIN_VALUE).putLong(8, Long.MIN_VALUE)),
        lie("file length", f -> f.putLong(16, f.getLong(16) + 1)),
        lie("manifest's CRC", f -> f.putInt(24, 0)),
        lie("first reserved byte", f -> f.put(28, (byte) 1)),
        lie("last reserved byte", f -> f.put(51, (byte) 1)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("footers")
  void refusesFooter(String name, Consumer<ByteBuffer> change) throws IOException {
    forged.footer(change).write(pack);
    assertCorrupt(pack, () -> PackReader.open(pack));
  }

  static List<Arguments> manifests() {
    return List.of(
        tensor("offset", t -> t.put("offset", 4096), "layer 0 q: place: expected "),
        tensor("offset by 64", t -> t.put("offset", t.get("offset").longValue() + 64), "place"),
        tensor("negative offset", t -> t.put("offset", -64), "tensors[2].offset"),
        tensor("overflowing range", t -> t.put("offset", Long.MAX_VALUE), "tensors[2].offset"),
        tensor("bytes", t -> t.put("bytes", 64), "layer 0 q: place: expected "),
        tensor("negative bytes", t -> t.put("bytes", -1), "tensors[2].offset"),
        tensor("huge bytes", t -> t.put("bytes", 1L << 62), "layer 0 q: place"),
        tensor("fractional bytes", t -> t.put("bytes", 64.0), "tensors[2].bytes"),
        tensor(
            "rows",
            t -> t.putArray("shape").add(15).add(16),
            "layer 0 q: shape: expected [16, 16], found [15, 16]"),
        tensor("a vector", t -> t.putArray("shape").add(256), "layer 0 q: shape"),
        tensor("three sizes", t -> t.putArray("shape").add(1).add(16).add(16), "shape"),
        tensor("no sizes", t -> t.putArray("shape"), "tensors[2].shape"),
        tensor("a size of zero", t -> t.putArray("shape").add(0).add(16), "tensors[2].shape"),
        tensor("another encoding", t -> t.put("encoding", "f32"), "layer 0 q: place"),
        tensor("crc in capitals", t -> t.put("crc32c", "ABCDEF00"), "tensors[2]"),
        tensor("crc too short", t -> t.put("crc32c", "abcdef0"), "tensors[2]"),
        tensor("sha too short", t -> t.put("sha256", "00"), "tensors[2]"),
        tensor("no sha", t -> t.remove("sha256"), "tensors[2].sha256: missing"),
        tensor("no encoding", t -> t.remove("encoding"), "tensors[2].encoding: missing"),
        tensor("unknown role", t -> t.put("role", "bias"), "tensors[2].role", "bias"),
        tensor("a role without a layer", t -> t.putNull("layer"), "tensors[2].role"),
        tensor("an expert's q", t -> t.put("expert", 0), "tensors[2].role"),
        tensor("negative layer", t -> t.put("layer", -1), "tensors[2]"),
        tensor("another layer", t -> t.put("layer", 1), "not in canonical order"),
        tensor("twice", t -> t.put("role", "k"), "stands in the manifest twice"),
        manifest("an encoded norm", r -> tensor(r, 1).put("encoding", "q4"), "f32 or bf16"),
        manifest(
            "a tensor less", r -> tensors(r).remove(W1), "expected 16 by the config, found 15"),
        manifest(
            "a tensor more",
            r -> tensors(r).add(tensor(r, QUERY).deepCopy().put("layer", 1)),
            "expected 16 by the config, found 17"),
        manifest("no tensors", r -> r.putArray("tensors"), "number of tensors", "found 0"),
        manifest(
            "tensors in another order",
            r -> tensors(r).insert(QUERY, tensors(r).remove(QUERY + 1)),
            "the tensors are not in canonical order"),
        manifest("an expert count", r -> config(r).put("expertCount", 3), "number of tensors"),
        manifest(
            "impossible layers",
            r -> config(r).put("layerCount", Integer.MAX_VALUE),
            "layerCount * expertCount: expected below 2^31"),
        manifest("more layers", r -> config(r).put("layerCount", 1 << 29), "number of tensors"),
        manifest(
            "a huge model",
            r -> config(r).put("intermediateSize", Integer.MAX_VALUE),
            "layer 0 expert 0 w1: shape"),
        manifest("an odd head", r -> config(r).put("headDim", 3), "headDim"),
        manifest("no family", r -> config(r).put("architecture", "llama"), "config.architecture"),
        manifest("no vocabulary", r -> config(r).remove("vocabSize"), "config.vocabSize: missing"),
        manifest("no provenance", r -> r.remove("provenance"), "provenance: missing"),
        manifest("no attachments", r -> r.remove("attachments"), "attachments: missing"),
        manifest("another major", r -> format(r).put("major", 2), "format: expected 1.0"),
        manifest("another minor", r -> format(r).put("minor", 1), "format: expected 1.0"),
        manifest(
            "an attachment's place",
            r -> attachment(r).put("offset", 64),
            "attachment LICENSE: place"),
        manifest(
            "an attachment's length",
            r -> attachment(r).put("bytes", 65),
            "attachment NOTICE: place"),
        manifest(
            "an attachment's length beyond",
            r -> attachment(r).put("bytes", 1L << 62),
            "attachment NOTICE: place"),
        manifest(
            "an attachment's length that overflows",
            r ->
                attachment(r)
                    .put("bytes", Long.MAX_VALUE - attachment(r).get("offset").longValue()),
            "the tensors' sizes overflow"),
        manifest("an attachment less", r -> ((ArrayNode) r.get("attachments")).remove(0), "NOTICE"),
        manifest(
            "an attachment twice",
            r -> attachment(r).put("name", "NOTICE"),
            "name: expected each attachment once"),
        manifest(
            "attachments in another order",
            r -> {
              ArrayNode attachments = (ArrayNode) r.get("attachments");
              attachments.add(attachments.remove(0));
            },
            "attachments[2].name: expected each attachment once, sorted by name"));
  }

  private static Arguments manifest(String name, Consumer<ObjectNode> change, String... words) {
    return Arguments.of(name, change, words);
  }

  /** A lie about the tensor `layer 0 q`. */
  private static Arguments tensor(String name, Consumer<ObjectNode> change, String... words) {
    return manifest("q: " + name, root -> change.accept(tensor(root, QUERY)), words);
  }

  private static ArrayNode tensors(ObjectNode root) {
    return (ArrayNode) root.get("tensors");
  }

  private static ObjectNode tensor(ObjectNode root, int index) {
    return ForgedPack.element(root, "tensors", index);
  }

  private static ObjectNode attachment(ObjectNode root) {
    return ForgedPack.element(root, "attachments", 0);
  }

  private static ObjectNode config(ObjectNode root) {
    return (ObjectNode) root.get("config");
  }

  private static ObjectNode format(ObjectNode root) {
    return (ObjectNode) root.get("format");
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("manifests")
  void refusesManifestThatLies(String name, Consumer<ObjectNode> change, String[] words)
      throws IOException {
    forged.manifest(change).write(pack);
    assertCorrupt(pack, () -> PackReader.open(pack), words);
  }

  static List<Arguments> texts() {
    return List.of(
        text("no JSON", json -> "{"),
        text("nothing", json -> ""),
        text("a list", json -> "[]\n"),
        text("an empty object", json -> "{}\n"),
        text("two documents", json -> json + json),
        text("a key twice", json -> json.replaceFirst("\\{", "{\"format\":{},")));
  }

  private static Arguments text(String name, UnaryOperator<String> change) {
    return Arguments.of(name, change);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("texts")
  void refusesManifestThatIsNone(String name, UnaryOperator<String> change) throws IOException {
    forged.manifestText(change).write(pack);
    assertCorrupt(pack, () -> PackReader.open(pack));
  }

  @Test
  void tensorsThatDescribeEachOtherSwappedAreFound() throws IOException {
    forged
        .manifest(
            root -> {
              long k = tensor(root, 3).get("offset").longValue();
              tensor(root, 3).put("offset", tensor(root, 4).get("offset").longValue());
              tensor(root, 4).put("offset", k);
            })
        .write(pack);
    assertCorrupt(pack, () -> PackReader.open(pack), "layer 0 k: place");
  }

  /** Eleven bytes and a zero of the gap behind them: the layout is the same, the sum is not. */
  @Test
  void attachmentGrownIntoItsGapIsFoundByItsChecksum() throws IOException {
    forged.manifest(root -> attachment(root).put("bytes", 12)).write(pack);
    try (PackReader reader = PackReader.open(pack)) {
      assertCorrupt(
          pack,
          () -> reader.checkIntegrity(ProgressListener.NONE),
          "damaged: attachment LICENSE: ");
    }
  }

  @Test
  void bytesInAGapAreFound() throws IOException {
    PackLayout layout = PackFixture.tiny().layout();
    ByteRange gate = List.copyOf(layout.tensors().values()).get(W1);
    forged.set(gate.offsetBytes() - 1, 1).write(pack);
    assertCorrupt(pack, () -> PackReader.open(pack), "the gap between bytes", "is not zero");
  }

  @Test
  void unknownEncodingIsTooNew() throws IOException {
    forged.manifest(root -> tensor(root, QUERY).put("encoding", "q7")).write(pack);
    assertUnsupported(
        pack, Reason.TOO_NEW, () -> PackReader.open(pack), "layer 0 q: encoding \"q7\"");
  }

  @Test
  void featureOfTrellisCodesIsRefusedWhereThereAreNone() throws IOException {
    forged.header(header -> header.putLong(16, 1)).write(pack);
    assertCorrupt(pack, () -> PackReader.open(pack), "required features: expected 0x0, found 0x1");
  }

  @Test
  void trellisCodesWithoutTheirFeatureAreTooOld() throws IOException {
    writeWithTrellisCodes();
    PackReader.open(pack).close();
    ForgedPack.of(pack).header(header -> header.putLong(16, 0)).write(pack);
    assertUnsupported(
        pack, Reason.TOO_OLD, () -> PackReader.open(pack), "trellis codes", "convert");
  }

  private void writeWithTrellisCodes() throws IOException {
    ModelConfig config = PackFixture.tiny().config();
    Map<TensorKey, Encoding> encodings = new HashMap<>(PackFixture.tiny().encodings());
    encodings.put(TensorKey.ofLayer(0, TensorRole.QUERY), Encoding.T3);
    PackLayout layout = PackLayout.of(config, encodings, new TreeMap<>());
    try (PackWriter writer = PackWriter.create(pack, layout)) {
      for (Map.Entry<TensorKey, ByteRange> tensor : layout.tensors().entrySet()) {
        PackFixture.append(
            writer, tensor.getKey(), new byte[(int) tensor.getValue().lengthBytes()]);
      }
      writer.finish(PackFixture.PROVENANCE);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "/format",
        "/tool",
        "/config",
        "/tensors/3",
        "/attachments/1",
        "/provenance",
        "/provenance/plan",
        "/provenance/sources/0"
      })
  void unknownKeyIsRefusedInThisMinorAndIgnoredInAHigherOne(String parent) throws IOException {
    forged.manifest(root -> ((ObjectNode) root.at(parent)).put("novel", 1)).write(pack);
    String path = parent.isEmpty() ? "novel" : parent.substring(1) + ".novel";
    String field = path.replaceAll("/(\\d+)", "[$1]").replace('/', '.');
    assertCorrupt(pack, () -> PackReader.open(pack), field + ": unknown field");

    forged.header(header -> header.putShort(10, (short) 1));
    forged.manifest(root -> format(root).put("minor", 1)).write(pack);
    try (PackReader reader = PackReader.open(pack)) {
      assertEquals(1, reader.manifest().minor());
      assertEquals(PackFixture.PROVENANCE, reader.manifest().provenance());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/config/slidingWindow",
        "/config/bosTokenId",
        "/tensors/0/layer",
        "/tensors/0/expert",
        "/provenance/calibration"
      })
  void keysThatMayBeNullMustStillBeThere(String pointer) throws IOException {
    int slash = pointer.lastIndexOf('/');
    String key = pointer.substring(slash + 1);
    forged
        .manifest(root -> ((ObjectNode) root.at(pointer.substring(0, slash))).remove(key))
        .write(pack);
    assertCorrupt(pack, () -> PackReader.open(pack), key + ": missing");
  }
}
