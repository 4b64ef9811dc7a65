package bora.formats.pack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.Encoding;
import bora.formats.model.Architecture;
import bora.formats.model.KnownModel;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TestConfigs;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The rules of {@code docs/format.md}, "Tensors" and "Attachments". */
class PackLayoutTest {
  static List<ModelConfig> configs() {
    return List.of(
        TestConfigs.mistral(),
        TestConfigs.mixtral(),
        TestConfigs.config(Architecture.MIXTRAL, 3, 8, 2, true),
        TestConfigs.config(Architecture.MISTRAL, 1, 1, 1, true),
        KnownModel.MIXTRAL_8X7B_V0_1.config());
  }

  private static PackLayout layout(ModelConfig config) {
    return PackFixture.of(config).layout();
  }

  @ParameterizedTest
  @MethodSource("configs")
  void everythingStandsAtTheSmallestAlignedPlace(ModelConfig config) {
    PackLayout layout = layout(config);
    assertEquals(List.copyOf(config.tensors().keySet()), List.copyOf(layout.tensors().keySet()));
    long end = 64;
    TensorKey before = null;
    for (Map.Entry<TensorKey, ByteRange> tensor : layout.tensors().entrySet()) {
      TensorKey key = tensor.getKey();
      boolean startsExpert = key.role() == TensorRole.EXPERT_GATE;
      boolean followsExperts =
          key.expert() == TensorKey.NONE && before != null && before.expert() != TensorKey.NONE;
      assertEquals(
          next(end, startsExpert || followsExperts ? 4096 : 64),
          tensor.getValue().offsetBytes(),
          key.toString());
      end = tensor.getValue().endBytes();
      before = key;
    }
    for (ByteRange attachment : layout.attachments().values()) {
      assertEquals(next(end, 64), attachment.offsetBytes());
      end = attachment.endBytes();
    }
    assertEquals(next(end, 64), layout.manifestOffsetBytes());
  }

  private static long next(long value, int alignment) {
    long remainder = value % alignment;
    return remainder == 0 ? value : value + alignment - remainder;
  }

  @ParameterizedTest
  @MethodSource("configs")
  void expertIsOneContiguousRangeOfWholePages(ModelConfig config) {
    PackLayout layout = layout(config);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      for (int expert = 0; expert < config.expertCount(); expert++) {
        ByteRange gate = range(layout, layer, expert, TensorRole.EXPERT_GATE);
        ByteRange up = range(layout, layer, expert, TensorRole.EXPERT_UP);
        ByteRange down = range(layout, layer, expert, TensorRole.EXPERT_DOWN);
        assertEquals(0, gate.offsetBytes() % 4096);
        assertEquals(gate.endBytes(), up.offsetBytes());
        assertEquals(up.endBytes(), down.offsetBytes());
        long pageEnd = next(down.endBytes(), 4096);
        assertTrue(
            layout.tensors().values().stream()
                .filter(range -> range.offsetBytes() >= down.endBytes())
                .allMatch(range -> range.offsetBytes() >= pageEnd),
            "nothing else stands in an expert's pages");
      }
    }
  }

  private static ByteRange range(PackLayout layout, int layer, int expert, TensorRole role) {
    return layout.tensors().get(TensorKey.ofExpert(layer, expert, role));
  }

  @ParameterizedTest
  @MethodSource("configs")
  void sizesAreTheEncodings(ModelConfig config) {
    PackFixture fixture = PackFixture.of(config);
    PackLayout layout = fixture.layout();
    long total = 0;
    for (TensorKey key : config.tensors().keySet()) {
      long bytes = fixture.encodings().get(key).encodedBytes(config.tensors().get(key));
      assertEquals(bytes, layout.tensors().get(key).lengthBytes());
      total += bytes;
    }
    assertEquals(total, layout.weightBytes());
    assertEquals(total * 8.0 / config.parameterCount(), layout.bitsPerWeight());
  }

  @Test
  void attachmentsAreSortedByName() {
    PackLayout layout = PackFixture.tiny().layout();
    assertEquals(
        List.of("LICENSE", "NOTICE", "tokenizer.json"), List.copyOf(layout.attachments().keySet()));
  }

  @Test
  void doesNotDependOnTheOrderOfTheEncodings() {
    PackFixture fixture = PackFixture.tiny();
    TreeMap<TensorKey, Encoding> sorted =
        new TreeMap<>((a, b) -> b.toString().compareTo(a.toString()));
    sorted.putAll(fixture.encodings());
    PackLayout layout = PackLayout.of(fixture.config(), sorted, new TreeMap<>());
    PackLayout other = PackLayout.of(fixture.config(), fixture.encodings(), new TreeMap<>());
    assertEquals(List.copyOf(other.tensors().entrySet()), List.copyOf(layout.tensors().entrySet()));
  }

  @Test
  void refusesEncodingsOfAnotherModel() {
    ModelConfig config = TestConfigs.mixtral();
    Map<TensorKey, Encoding> missing = new HashMap<>(PackFixture.of(config).encodings());
    missing.remove(TensorKey.ofLayer(1, TensorRole.QUERY));
    Map<TensorKey, Encoding> more = new HashMap<>(PackFixture.of(config).encodings());
    more.put(TensorKey.ofLayer(2, TensorRole.QUERY), Encoding.Q4);
    Map<TensorKey, Encoding> unfit = new HashMap<>(PackFixture.of(config).encodings());
    unfit.put(TensorKey.ofModel(TensorRole.OUTPUT_NORM), Encoding.Q4);
    for (Map<TensorKey, Encoding> encodings : List.of(missing, more, unfit)) {
      assertThrows(
          IllegalArgumentException.class, () -> PackLayout.of(config, encodings, new TreeMap<>()));
    }
  }

  @Test
  void rangesAreChecked() {
    assertThrows(IllegalArgumentException.class, () -> new ByteRange(-1, 0));
    assertThrows(IllegalArgumentException.class, () -> new ByteRange(0, -1));
    assertThrows(ArithmeticException.class, () -> new ByteRange(Long.MAX_VALUE, 1));
  }
}
