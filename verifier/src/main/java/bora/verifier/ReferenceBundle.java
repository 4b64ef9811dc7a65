package bora.verifier;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.UnsupportedVersionException;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * What another implementation thought of a few windows, in tens of megabytes even of a large model:
 * the largest logits of every scored position with the log-sum-exp of all, samples of the hidden
 * states, all router logits. {@code docs/verification.md} has the format; {@link BundleWriter}
 * writes it.
 */
public final class ReferenceBundle implements Reference {
  /** What the metadata's {@code format} says. */
  static final String FORMAT = "bora.reference-bundle";

  /** What its {@code version} says. */
  static final String VERSION = "1";

  /** Keys of the metadata that go into the report. */
  private static final List<String> TOLD =
      List.of("model", "versions", "dtype", "corpusSha256", "protocol");

  private final RecordedTensors tensors;
  private final List<BundledSequence> sequences;
  private final Optional<GreedyContinuation> greedy;

  private ReferenceBundle(
      RecordedTensors tensors,
      List<BundledSequence> sequences,
      Optional<GreedyContinuation> greedy) {
    this.tensors = tensors;
    this.sequences = List.copyOf(sequences);
    this.greedy = greedy;
  }

  /**
   * Reads and checks a whole bundle.
   *
   * @throws CorruptFileException when it is none
   * @throws UnsupportedVersionException when it is of another version
   */
  public static ReferenceBundle open(Path file) throws IOException {
    RecordedTensors tensors = new RecordedTensors(file);
    try {
      String version = tensors.metadata().get("version");
      if (!VERSION.equals(version)) {
        throw new UnsupportedVersionException(
            file,
            UnsupportedVersionException.Reason.TOO_NEW,
            "reference bundle: version: expected " + VERSION + ", found " + version);
      }
      List<BundledSequence> sequences = new ArrayList<>();
      do {
        sequences.add(read(tensors, sequences.size()));
      } while (tensors.has(sequences.size() + ".input_ids"));
      return new ReferenceBundle(tensors, sequences, readGreedy(tensors));
    } catch (IOException | RuntimeException e) {
      tensors.close();
      throw e;
    }
  }

  private static BundledSequence read(RecordedTensors tensors, int index) throws IOException {
    String of = index + ".";
    int[] tokens = tensors.tokens(of + "input_ids");
    int[] positions = tensors.positions(of + "positions", tokens.length - 1);
    List<int[]> topIds = tensors.tokenRows(of + "top.ids");
    int top = tensors.columnsOf(of + "top.logits", positions.length);
    if (topIds.size() != positions.length || topIds.getFirst().length != top) {
      throw tensors.corrupt(
          of + "top.ids",
          "shape",
          List.of(positions.length, top),
          List.of(topIds.size(), topIds.getFirst().length));
    }
    requireColumns(tensors, of + "logsumexp", positions.length, 2);
    requireColumns(tensors, of + "nll", positions.length, 1);
    boolean sampled = tensors.has(of + "hidden.positions");
    int[] hiddenPositions =
        sampled ? tensors.positions(of + "hidden.positions", tokens.length) : new int[0];
    return new BundledSequence(
        tokens,
        positions,
        topIds,
        tensors.values(of + "top.logits"),
        tensors.values(of + "logsumexp"),
        tensors.values(of + "nll"),
        hiddenPositions,
        series(tensors, of + "hidden.", hiddenPositions.length),
        series(tensors, of + "router.", tokens.length));
  }

  private static void requireColumns(RecordedTensors tensors, String name, int rows, int columns)
      throws CorruptFileException {
    int found = tensors.columnsOf(name, rows);
    if (found != columns) {
      throw tensors.corrupt(name, "columns", columns, found);
    }
  }

  private static List<PositionValues> series(RecordedTensors tensors, String prefix, int rows)
      throws CorruptFileException {
    List<PositionValues> series = new ArrayList<>();
    while (tensors.has(prefix + series.size())) {
      String name = prefix + series.size();
      int columns = tensors.columnsOf(name, rows);
      if (!series.isEmpty() && columns != series.getFirst().width()) {
        throw tensors.corrupt(name, "columns", series.getFirst().width(), columns);
      }
      series.add(tensors.values(name));
    }
    return series;
  }

  private static Optional<GreedyContinuation> readGreedy(RecordedTensors tensors)
      throws CorruptFileException {
    if (!tensors.has("greedy.prompt") && !tensors.has("greedy.tokens")) {
      return Optional.empty();
    }
    return Optional.of(
        new GreedyContinuation(tensors.tokens("greedy.prompt"), tensors.tokens("greedy.tokens")));
  }

  List<BundledSequence> sequences() {
    return sequences;
  }

  Optional<GreedyContinuation> greedy() {
    return greedy;
  }

  @Override
  public SequencedMap<String, String> provenance() {
    SequencedMap<String, String> provenance = tensors.provenance();
    provenance.putFirst("kind", "reference bundle");
    for (String key : TOLD) {
      String value = tensors.metadata().get(key);
      if (value != null) {
        provenance.put(key, value);
      }
    }
    provenance.put("sequences", String.valueOf(sequences.size()));
    return provenance;
  }

  @Override
  public void requireModel(ModelConfig config) throws IOException {
    for (BundledSequence sequence : sequences) {
      TokenIds.requireBelow(config.vocabSize(), sequence.tokens(), tensors.path());
      for (int[] ids : sequence.topIds()) {
        TokenIds.requireBelow(config.vocabSize(), ids, tensors.path());
      }
      int experts = config.hasRouter() ? config.expertCount() : 0;
      requireSeries(
          "hidden states", sequence.hidden(), config.layerCount() + 1, config.hiddenSize());
      requireSeries("router logits", sequence.routerLogits(), config.layerCount(), experts);
    }
    if (greedy.isPresent()) {
      TokenIds.requireBelow(config.vocabSize(), greedy.get().prompt(), tensors.path());
      TokenIds.requireBelow(config.vocabSize(), greedy.get().tokens(), tensors.path());
    }
  }

  private void requireSeries(String what, List<PositionValues> series, int count, int width)
      throws MismatchedArtifactException {
    if (series.isEmpty()) {
      return;
    }
    int found = series.getFirst().width();
    if (series.size() != count || found != width) {
      throw new MismatchedArtifactException(
          tensors.path(),
          "reference of another model: "
              + what
              + ": expected "
              + count
              + " of "
              + width
              + " values as in the model verified, found "
              + series.size()
              + " of "
              + found);
    }
  }

  @Override
  public void close() {
    tensors.close();
  }
}
