package bora.verifier;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;

/**
 * Outputs computed while they are compared, by a {@link ReferenceModel} or another source. Its
 * sequences are windows of a text; positions T/2 to T-2 are scored, as {@link WindowsProtocol}
 * says.
 */
public final class ComputedReference implements OutputReference {
  /** Windows computed together: each batch reads all weights once. */
  public static final int DEFAULT_WINDOWS_PER_BATCH = 4;

  private final ReferenceSource source;
  private final List<int[]> windows;
  private final Path tokensFile;
  private final int windowsPerBatch;
  private final ProgressListener progress;

  /**
   * @param tokensFile where the windows' tokens came from
   * @param windowsPerBatch more take more memory and read the weights less often
   * @param progress hears of every tensor used for every batch
   */
  public ComputedReference(
      ReferenceSource source,
      List<int[]> windows,
      Path tokensFile,
      int windowsPerBatch,
      ProgressListener progress) {
    if (windows.isEmpty() || windowsPerBatch < 1) {
      throw new IllegalArgumentException(
          "expected windows and a batch, found " + windows.size() + " and " + windowsPerBatch);
    }
    this.source = source;
    this.windows = List.copyOf(windows);
    this.tokensFile = tokensFile;
    this.windowsPerBatch = windowsPerBatch;
    this.progress = progress;
  }

  /**
   * Windows of the tokens in a file.
   *
   * @param tokensFile as {@link TokenIds#read} wants it, BOS in front
   * @throws CorruptFileException when it is no list of ids or too short for one window
   */
  public static ComputedReference ofTokens(
      ReferenceSource source, Path tokensFile, WindowsProtocol protocol, ProgressListener progress)
      throws IOException {
    return ofTokens(source, TokenIds.read(tokensFile), tokensFile, protocol, progress);
  }

  /**
   * Windows of tokens.
   *
   * @param file where they came from, for messages and the report
   * @throws CorruptFileException when they are too few for one window
   */
  public static ComputedReference ofTokens(
      ReferenceSource source,
      int[] tokens,
      Path file,
      WindowsProtocol protocol,
      ProgressListener progress)
      throws IOException {
    List<int[]> windows = windows(tokens, file, protocol, source.config().bosTokenId());
    return new ComputedReference(source, windows, file, DEFAULT_WINDOWS_PER_BATCH, progress);
  }

  /**
   * The windows themselves.
   *
   * @param file where the tokens came from, for messages
   * @throws CorruptFileException when they are too few for one window
   */
  public static List<int[]> windows(
      int[] tokens, Path file, WindowsProtocol protocol, OptionalInt bos)
      throws CorruptFileException {
    if (tokens.length < protocol.windowTokens()) {
      throw new CorruptFileException(
          file,
          "too short: expected at least "
              + protocol.windowTokens()
              + " tokens for one window, found "
              + tokens.length);
    }
    return protocol.windows(tokens, bos);
  }

  @Override
  public SequencedMap<String, String> provenance() {
    SequencedMap<String, String> provenance = new LinkedHashMap<>();
    provenance.put("kind", "computed outputs");
    provenance.put("file", tokensFile.getFileName().toString());
    provenance.put("producer", source.description());
    provenance.put("windows", windows.size() + " of " + windows.getFirst().length + " tokens");
    return provenance;
  }

  @Override
  public void requireModel(ModelConfig config) throws MismatchedArtifactException {
    ModelConfig own = source.config();
    require("architecture", config.architecture(), own.architecture());
    require("vocabulary", config.vocabSize(), own.vocabSize());
    require("hidden width", config.hiddenSize(), own.hiddenSize());
    require("layers", config.layerCount(), own.layerCount());
    require("experts", config.expertCount(), own.expertCount());
    require("experts a token", config.expertsPerToken(), own.expertsPerToken());
    for (int[] window : windows) {
      TokenIds.requireBelow(config.vocabSize(), window, tokensFile);
    }
  }

  private void require(String what, Object expected, Object found)
      throws MismatchedArtifactException {
    if (!expected.equals(found)) {
      throw new MismatchedArtifactException(
          tokensFile,
          "reference of another model: "
              + what
              + ": expected "
              + expected
              + " as in the model verified, found "
              + found
              + " in the "
              + source.description());
    }
  }

  @Override
  public void forEachSequence(SequenceConsumer consumer) throws IOException {
    for (int first = 0; first < windows.size(); first += windowsPerBatch) {
      int end = Math.min(first + windowsPerBatch, windows.size());
      source.outputs(
          windows.subList(first, end),
          EnumSet.allOf(LayerOutput.class),
          progress,
          outputs -> consumer.accept(outputs, WindowsProtocol.scored(outputs.tokens().length)));
    }
  }

  @Override
  public Optional<GreedyContinuation> greedy() {
    return Optional.empty();
  }

  /** Closes nothing: whoever opened the source closes it. */
  @Override
  public void close() {}
}
