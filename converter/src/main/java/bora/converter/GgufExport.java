package bora.converter;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.GgufVocabulary;
import bora.formats.checkpoint.GgufWriter;
import bora.formats.checkpoint.WeightType;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackEntry;
import bora.formats.pack.PackReader;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Writes a pack's model as GGUF. GGUF has no type for bora's grids and one type for all experts of
 * a layer's projection, so: norms and routers become F32; f32 and bf16 stay; everything encoded
 * becomes Q8_0, or F32 where its width is no multiple of 32. Experts that differ take the finest of
 * their types, of which {@link #levelled} tells.
 */
public final class GgufExport {
  private static final String TOKENIZER = "tokenizer.json";

  private final PackReader pack;
  private final Map<TensorKey, WeightType> types = new LinkedHashMap<>();
  private final List<String> levelled = new ArrayList<>();

  private GgufExport(PackReader pack) {
    this.pack = pack;
    for (PackEntry entry : pack.manifest().entries().values()) {
      types.put(entry.key(), typeOf(entry));
    }
    for (int layer = 0; layer < pack.config().layerCount(); layer++) {
      for (TensorRole role : TensorRole.values()) {
        if (role.scope() == TensorRole.Scope.EXPERT) {
          level(layer, role);
        }
      }
    }
  }

  /** Decides the types; nothing is written yet. */
  public static GgufExport of(PackReader pack) {
    return new GgufExport(pack);
  }

  private static WeightType typeOf(PackEntry entry) {
    if (entry.key().role().isExact() || entry.encoding() == Encoding.F32) {
      return WeightType.F32;
    }
    if (entry.encoding() == Encoding.BF16) {
      return WeightType.BF16;
    }
    boolean fits = entry.shape().columns() % WeightType.Q8_0.blockElements() == 0;
    return fits ? WeightType.Q8_0 : WeightType.F32;
  }

  private void level(int layer, TensorRole role) {
    Map<Encoding, Integer> counts = new EnumMap<>(Encoding.class);
    WeightType finest = WeightType.Q8_0;
    for (int expert = 0; expert < pack.config().expertCount(); expert++) {
      TensorKey key = TensorKey.ofExpert(layer, expert, role);
      counts.merge(pack.manifest().entries().get(key).encoding(), 1, Integer::sum);
      finest = finer(finest, types.get(key));
    }
    for (int expert = 0; expert < pack.config().expertCount(); expert++) {
      types.put(TensorKey.ofExpert(layer, expert, role), finest);
    }
    if (counts.size() > 1) {
      List<String> parts = new ArrayList<>();
      counts.forEach((encoding, count) -> parts.add(count + " in " + encoding.jsonName()));
      levelled.add(
          "layer " + layer + " " + role.id() + ": " + String.join(", ", parts) + ": all " + finest);
    }
  }

  private static WeightType finer(WeightType one, WeightType other) {
    return one.bytes(one.blockElements()) * other.blockElements()
            >= other.bytes(other.blockElements()) * one.blockElements()
        ? one
        : other;
  }

  /** The type of every tensor in the file. */
  public Map<TensorKey, WeightType> types() {
    return types;
  }

  /** One line for each projection of a layer whose experts had encodings of their own. */
  public List<String> levelled() {
    return levelled;
  }

  /** Whether the pack's tokenizer is of a kind that llama.cpp is told of here. */
  public boolean hasVocabulary() throws IOException {
    return vocabulary().isPresent();
  }

  private Optional<GgufVocabulary> vocabulary() throws IOException {
    Optional<MemorySegment> json = pack.attachment(TOKENIZER);
    if (json.isEmpty()) {
      return Optional.empty();
    }
    return GgufVocabulary.ofTokenizerJson(
        pack.path().resolveSibling(TOKENIZER),
        json.get().toArray(ValueLayout.JAVA_BYTE),
        pack.config().vocabSize());
  }

  /** How many rows there are to write. */
  public long rowCount() {
    return pack.manifest().entries().values().stream()
        .mapToLong(entry -> entry.shape().rows())
        .sum();
  }

  /**
   * Writes the file; until it is whole an older one under its name stays as it is.
   *
   * @param progress hears of rows
   */
  public void write(Path out, ProgressListener progress) throws IOException {
    GgufWriter.write(
        out,
        pack.config(),
        vocabulary(),
        types,
        (key, row, values) -> pack.tensor(key).decodeRow(row, values, 0),
        progress);
  }
}
