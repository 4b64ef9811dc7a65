package bora.verifier;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeSet;

/**
 * Outputs that another implementation recorded: a safetensors file with, for sequences N, {@code
 * N.input_ids} [T] I32, {@code N.logits} [T, vocabulary] F32, where recorded {@code N.hidden.L} [T,
 * hidden] F32 and {@code N.router.L} [T, experts] F32, and optionally {@code greedy.prompt} and
 * {@code greedy.tokens} I32. Any subset of the sequences is a reference. All positions are scored.
 */
public final class RecordedOutputs implements OutputReference {
  private final RecordedTensors tensors;
  private final List<Sequence> sequences;
  private final Optional<GreedyContinuation> greedy;

  /** What is recorded of one sequence; widths are 0 where nothing is. */
  private record Sequence(
      int index,
      int[] tokens,
      int vocabSize,
      int hiddenStates,
      int hiddenSize,
      int routers,
      int experts) {}

  private RecordedOutputs(
      RecordedTensors tensors, List<Sequence> sequences, Optional<GreedyContinuation> greedy) {
    this.tensors = tensors;
    this.sequences = sequences;
    this.greedy = greedy;
  }

  /**
   * Maps a reference and checks names, types and shapes; values are checked when they are read.
   *
   * @throws CorruptFileException when it is no such reference
   */
  public static RecordedOutputs open(Path file) throws IOException {
    RecordedTensors tensors = new RecordedTensors(file);
    try {
      List<Sequence> sequences = new ArrayList<>();
      for (int index : sequenceIndices(tensors)) {
        sequences.add(sequence(tensors, index));
      }
      return new RecordedOutputs(tensors, List.copyOf(sequences), greedy(tensors));
    } catch (IOException | RuntimeException e) {
      tensors.close();
      throw e;
    }
  }

  private static Iterable<Integer> sequenceIndices(RecordedTensors tensors)
      throws CorruptFileException {
    TreeSet<Integer> indices = new TreeSet<>();
    for (String name : tensors.entries().keySet()) {
      if (name.matches("[0-9]{1,9}\\.(input_ids|logits|(hidden|router)\\.[0-9]{1,6})")) {
        indices.add(Integer.valueOf(name.substring(0, name.indexOf('.'))));
      } else if (!name.equals("greedy.prompt") && !name.equals("greedy.tokens")) {
        throw new CorruptFileException(
            tensors.path(),
            "unknown tensor: expected N.input_ids, N.logits, N.hidden.L, N.router.L,"
                + " greedy.prompt or greedy.tokens, found `"
                + name
                + "`; is this a reference?");
      }
    }
    if (indices.isEmpty()) {
      throw new CorruptFileException(
          tensors.path(), "not a whole reference: expected tensor `0.input_ids`, found none");
    }
    return indices;
  }

  private static Sequence sequence(RecordedTensors tensors, int index) throws CorruptFileException {
    String tokensName = index + ".input_ids";
    int[] tokens = tensors.tokens(tokensName);
    int vocabSize = tensors.columnsOf(index + ".logits", tokens.length);
    for (int i = 0; i < tokens.length; i++) {
      if (tokens[i] >= vocabSize) {
        throw tensors.corrupt(tokensName, "token " + i, "less than " + vocabSize, tokens[i]);
      }
    }
    String hidden = index + ".hidden.";
    String router = index + ".router.";
    int hiddenStates = seriesLength(tensors, hidden);
    int routers = seriesLength(tensors, router);
    int hiddenSize = commonWidth(tensors, hidden, hiddenStates, tokens.length);
    int experts = commonWidth(tensors, router, routers, tokens.length);
    return new Sequence(index, tokens, vocabSize, hiddenStates, hiddenSize, routers, experts);
  }

  /** How many tensors prefix0, prefix1, ... there are: no number may be left out. */
  private static int seriesLength(RecordedTensors tensors, String prefix)
      throws CorruptFileException {
    int length =
        (int) tensors.entries().keySet().stream().filter(name -> name.startsWith(prefix)).count();
    for (int i = 0; i < length; i++) {
      if (!tensors.has(prefix + i)) {
        throw new CorruptFileException(
            tensors.path(),
            "not a whole reference: expected tensor `" + prefix + i + "`, found none");
      }
    }
    return length;
  }

  private static int commonWidth(RecordedTensors tensors, String prefix, int count, int rows)
      throws CorruptFileException {
    int width = 0;
    for (int i = 0; i < count; i++) {
      int columns = tensors.columnsOf(prefix + i, rows);
      if (i > 0 && columns != width) {
        throw tensors.corrupt(prefix + i, "columns", width, columns);
      }
      width = columns;
    }
    return width;
  }

  private static Optional<GreedyContinuation> greedy(RecordedTensors tensors)
      throws CorruptFileException {
    if (!tensors.has("greedy.prompt") && !tensors.has("greedy.tokens")) {
      return Optional.empty();
    }
    return Optional.of(
        new GreedyContinuation(tensors.tokens("greedy.prompt"), tensors.tokens("greedy.tokens")));
  }

  @Override
  public SequencedMap<String, String> provenance() {
    SequencedMap<String, String> provenance = tensors.provenance();
    provenance.putFirst("kind", "recorded outputs");
    provenance.put("sequences", String.valueOf(sequences.size()));
    return provenance;
  }

  @Override
  public void requireModel(ModelConfig config) throws MismatchedArtifactException {
    for (Sequence sequence : sequences) {
      String of = "sequence " + sequence.index + ": ";
      require(of + "vocabulary", config.vocabSize(), sequence.vocabSize);
      if (sequence.hiddenStates > 0) {
        require(of + "hidden width", config.hiddenSize(), sequence.hiddenSize);
        require(of + "layers", config.layerCount(), sequence.hiddenStates - 1);
      }
      if (sequence.routers > 0) {
        require(of + "experts", config.hasRouter() ? config.expertCount() : 0, sequence.experts);
        require(of + "routers", config.layerCount(), sequence.routers);
      }
    }
    if (greedy.isPresent()) {
      TokenIds.requireBelow(config.vocabSize(), greedy.get().prompt(), tensors.path());
      TokenIds.requireBelow(config.vocabSize(), greedy.get().tokens(), tensors.path());
    }
  }

  private void require(String what, int expected, int found) throws MismatchedArtifactException {
    if (expected != found) {
      throw new MismatchedArtifactException(
          tensors.path(),
          "reference of another model: "
              + what
              + ": expected "
              + expected
              + " as in the model verified, found "
              + found);
    }
  }

  @Override
  public void forEachSequence(SequenceConsumer consumer) throws IOException {
    for (Sequence sequence : sequences) {
      List<PositionValues> hidden = series(sequence.index + ".hidden.", sequence.hiddenStates);
      List<PositionValues> routers = series(sequence.index + ".router.", sequence.routers);
      PositionValues logits = tensors.values(sequence.index + ".logits");
      consumer.accept(
          new SequenceOutputs(sequence.tokens, logits, hidden, routers),
          new PositionRange(0, sequence.tokens.length));
    }
  }

  private List<PositionValues> series(String prefix, int count) throws CorruptFileException {
    List<PositionValues> series = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      series.add(tensors.values(prefix + i));
    }
    return series;
  }

  @Override
  public Optional<GreedyContinuation> greedy() {
    return greedy;
  }

  @Override
  public void close() {
    tensors.close();
  }
}
