package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static bora.formats.FileErrors.assertUnsupported;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.UnsupportedVersionException;
import bora.formats.UnsupportedVersionException.Reason;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** GGUF files: structure, metadata, what is refused. One layer, 32 wide, 5 tokens. */
class GgufFileTest {
  private static final int F32 = 0;
  private static final int Q8_0 = 8;

  @TempDir Path directory;
  private Path file;

  @BeforeEach
  void setUp() {
    file = directory.resolve("model.gguf");
  }

  private static GgufFixture small() {
    GgufFixture gguf = new GgufFixture();
    gguf.metadata("general.architecture", "llama").metadata("llama.context_length", 64);
    gguf.metadata("llama.embedding_length", 32).metadata("llama.block_count", 1);
    gguf.metadata("llama.feed_forward_length", 64).metadata("llama.attention.head_count", 4);
    gguf.metadata("llama.attention.head_count_kv", 2);
    gguf.metadata("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    put(gguf, "token_embd.weight", 5, 32);
    put(gguf, "blk.0.attn_q.weight", 32, 32);
    put(gguf, "blk.0.attn_k.weight", 16, 32);
    put(gguf, "blk.0.attn_v.weight", 16, 32);
    put(gguf, "blk.0.attn_output.weight", 32, 32);
    put(gguf, "blk.0.ffn_gate.weight", 64, 32);
    put(gguf, "blk.0.ffn_up.weight", 64, 32);
    put(gguf, "blk.0.ffn_down.weight", 32, 64);
    for (String norm : List.of("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm")) {
      gguf.tensor(norm + ".weight", F32, new byte[4 * 32], 32);
    }
    return gguf;
  }

  /** In Q8_0, every weight 1. */
  private static void put(GgufFixture gguf, String name, int rows, int columns) {
    ByteBuffer bytes = ByteBuffer.allocate(rows * columns / 32 * 34).order(ByteOrder.LITTLE_ENDIAN);
    while (bytes.hasRemaining()) {
      bytes.putShort(Float.floatToFloat16(0.5f));
      for (int i = 0; i < 32; i++) {
        bytes.put((byte) 2);
      }
    }
    gguf.tensor(name, Q8_0, bytes.array(), rows, columns);
  }

  @Test
  void readsQuantizedRowsAndDefaults() throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(small().write(file))) {
      ModelConfig config = checkpoint.config();
      assertEquals(5, config.vocabSize());
      assertEquals(8, config.headDim());
      assertEquals(1e-5, config.rmsNormEps());
      assertEquals(10_000, config.ropeTheta());
      assertEquals(OptionalInt.empty(), config.slidingWindow());
      assertEquals(OptionalInt.empty(), config.bosTokenId());
      assertTrue(config.tiedEmbeddings());
      SourceTensor query = checkpoint.tensor(TensorKey.ofLayer(0, TensorRole.QUERY));
      assertEquals(WeightType.Q8_0, query.type());
      assertEquals(32 * 34, query.byteSize());
      float[] values = new float[3 * 32];
      query.readRows(7, 3, values, 0);
      for (float value : values) {
        assertEquals(1, value);
      }
    }
  }

  static List<Arguments> readable() {
    return List.of(
        Arguments.of("version 2", (UnaryOperator<GgufFixture>) g -> g.version(2)),
        Arguments.of("an alignment", (UnaryOperator<GgufFixture>) g -> g.alignment(128)),
        Arguments.of(
            "one part of one", (UnaryOperator<GgufFixture>) g -> g.metadata("split.count", 1)),
        Arguments.of(
            "no rope scaling",
            (UnaryOperator<GgufFixture>) g -> g.metadata("llama.rope.scaling.type", "none")),
        Arguments.of(
            "one expert", (UnaryOperator<GgufFixture>) g -> g.metadata("llama.expert_count", 0)),
        Arguments.of(
            "flags and vocabularies",
            (UnaryOperator<GgufFixture>)
                g -> g.metadata("x", true).metadata("y", List.of("a", "b")).metadata("z", 7L)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("readable")
  void reads(String what, UnaryOperator<GgufFixture> change) throws IOException {
    Checkpoint.open(change.apply(small()).write(file)).close();
  }

  static List<Arguments> refused() {
    return List.of(
        refuse(
            "another architecture",
            g -> g.metadata("general.architecture", "qwen2"),
            "general.architecture: expected \"llama\"",
            "found \"qwen2\""),
        refuse("no architecture", g -> g.withoutMetadata("general.architecture"), "found nothing"),
        refuse("one part of three", g -> g.metadata("split.count", 3), "llama-gguf-split --merge"),
        refuse(
            "rope scaling", g -> g.metadata("llama.rope.scaling.type", "yarn"), "found \"yarn\""),
        refuse(
            "an attention scale",
            g -> g.metadata("llama.attention.scale", 0.5f),
            "llama.attention.scale"),
        refuse("shared experts", g -> g.metadata("llama.expert_shared_count", 1), "shared_count"),
        refuse(
            "partial rotation",
            g -> g.metadata("llama.rope.dimension_count", 4),
            "expected the width of a head, 8, found 4"),
        refuse(
            "a text for a number",
            g -> g.metadata("llama.block_count", "one"),
            "llama.block_count: expected an integer below 2^31, found \"one\""),
        refuse(
            "heads for each layer",
            g -> g.metadata("llama.attention.head_count", List.of("4")),
            "found an array of 1"),
        refuse(
            "an integer for a float",
            g -> g.metadata("llama.rope.freq_base", 10000),
            "expected a number, found 10000"),
        refuse("no context", g -> g.withoutMetadata("llama.context_length"), "found nothing"),
        refuse(
            "heads that do not divide",
            g -> g.metadata("llama.attention.head_count", 5),
            "a multiple of the heads, 5"),
        refuse("no heads", g -> g.metadata("llama.attention.head_count", 0), "heads, 0"),
        refuse(
            "a bias",
            g -> g.tensor("blk.0.attn_q.bias", F32, new byte[128], 32),
            "`blk.0.attn_q.bias`",
            "asks for no such tensor"),
        refuse(
            "scaled frequencies",
            g -> g.tensor("rope_freqs.weight", F32, new byte[16], 4),
            "`rope_freqs.weight`"),
        refuse(
            "a type that is not read",
            g -> g.tensor("output_norm.weight", 24, new byte[32], 32),
            "dtype: expected one of [F32, F16, BF16, Q4_0",
            "found I8"),
        refuse("a type that is not known", g -> g.tensor("a", 99, new byte[32], 32), "number 99"),
        refuse(
            "another shape",
            g -> g.tensor("output_norm.weight", F32, new byte[64], 16),
            "shape: expected [32]",
            "found [16]"),
        refuse(
            "rows of part of a block",
            g -> g.tensor("a", Q8_0, new byte[34], 2, 16),
            "expected rows of a multiple of 32, found [2, 16]"),
        refuse("a negative size", g -> g.tensor("a", F32, new byte[4], -1), "`a`"),
        refuse(
            "an overflowing size",
            g -> g.tensor("a", F32, new byte[4], 1L << 31, 1L << 31, 4),
            "overflows"),
        refuse(
            "a tensor beyond the file",
            g -> g.tensor("a", F32, new byte[4], 1L << 40),
            "was the download cut short?"),
        refuse(
            "five dimensions",
            g -> g.tensor("a", F32, new byte[4], 1, 1, 1, 1, 1),
            "at most 4 dimensions, found 5"),
        refuse("an alignment of 3", g -> g.metadata("general.alignment", 3), "power of two"),
        refuse("an alignment of 0", g -> g.metadata("general.alignment", 0), "power of two"),
        refuse("an alignment of text", g -> g.metadata("general.alignment", "x"), "power of two"),
        refuse(
            "no embedding",
            g -> g.tensor("token_embd.weight", F32, new byte[4], 1),
            "`token_embd.weight`: expected a matrix"),
        refuse(
            "more layers than tensors",
            g -> g.metadata("llama.block_count", 1_000_000_000),
            "number of tensors"));
  }

  private static Arguments refuse(String what, UnaryOperator<GgufFixture> change, String... words) {
    return Arguments.of(what, change, words);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("refused")
  void refuses(String what, UnaryOperator<GgufFixture> change, String[] words) throws IOException {
    change.apply(small()).write(file);
    assertCorrupt(file, () -> Checkpoint.open(file), words);
  }

  @Test
  void otherVersionsAreToldApart() throws IOException {
    small().version(1).write(file);
    assertUnsupported(file, Reason.TOO_OLD, () -> Checkpoint.open(file), "found 1");
    small().version(4).write(file);
    assertUnsupported(file, Reason.TOO_NEW, () -> Checkpoint.open(file), "found 4");
    small().version(Integer.reverseBytes(3)).write(file);
    assertCorrupt(file, () -> Checkpoint.open(file), "found big-endian");
  }

  static List<Arguments> brokenHeaders() {
    return List.of(
        broken("tensors without end", b -> b.putLong(8, Long.MAX_VALUE), "number of tensors"),
        broken("a negative count of keys", b -> b.putLong(16, -1), "number of keys"),
        broken("a key without end", b -> b.putLong(24, 1L << 40), "length of a text"),
        broken("a key that is no text", b -> b.put(32, (byte) 0xFF), "UTF-8"),
        broken("a type of no value", b -> b.putInt(52, 13), "expected a type from 0 to 12"),
        broken("an array without end", b -> b.putInt(52, 9), "array"));
  }

  private static Arguments broken(
      String what, Function<ByteBuffer, ByteBuffer> change, String word) {
    return Arguments.of(what, change, word);
  }

  /** The first key is the 20 characters of general.architecture, at byte 32. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("brokenHeaders")
  void refusesHeaders(String what, Function<ByteBuffer, ByteBuffer> change, String word)
      throws IOException {
    byte[] bytes = small().toBytes();
    ByteBuffer unused = change.apply(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
    Files.write(file, bytes);
    assertCorrupt(file, () -> Checkpoint.open(file), word);
  }

  @Test
  void truncatedFilesAreRefusedAtAnyLength() throws IOException {
    byte[] whole = small().toBytes();
    for (int length = 4; length < whole.length; length += length < 1500 ? 1 : 97) {
      Files.write(file, Arrays.copyOf(whole, length));
      assertCorrupt(file, () -> Checkpoint.open(file));
    }
  }

  @Test
  void everyMutatedHeaderIsValidOrRefusedAndNothingElse() throws IOException {
    byte[] whole = small().toBytes();
    int refused = 0;
    int mutations = 4000;
    for (int seed = 0; seed < mutations; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      byte[] bytes = whole.clone();
      bytes[4 + random.nextInt(1200)] = (byte) random.nextInt(256);
      Files.write(file, bytes);
      try {
        Checkpoint.open(file).close();
      } catch (CorruptFileException | UnsupportedVersionException e) {
        refused++;
        assertTrue(e.getMessage().startsWith(file + ": "), e.getMessage());
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + seed, e);
      }
    }
    assertTrue(refused > mutations / 2, refused + " were refused");
  }
}
