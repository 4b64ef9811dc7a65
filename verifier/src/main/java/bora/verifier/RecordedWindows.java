package bora.verifier;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.SequencedMap;

/**
 * What another implementation thought of every token of a text's windows: a safetensors file with
 * {@code input_ids} [N, T] I32, {@code nll} [N, T-1] F32 (of the token after each position) and
 * {@code top1} [N, T-1] I32. Positions T/2 to T-2 are scored, as {@link WindowsProtocol} says.
 */
public final class RecordedWindows implements Reference {
  private final RecordedTensors tensors;
  private final List<int[]> windows;
  private final PositionValues nll;
  private final List<int[]> top1;

  private RecordedWindows(
      RecordedTensors tensors, List<int[]> windows, PositionValues nll, List<int[]> top1) {
    this.tensors = tensors;
    this.windows = windows;
    this.nll = nll;
    this.top1 = top1;
  }

  /** What needs logits cannot be done with these. */
  MismatchedArtifactException withoutLogits(String purpose) {
    return new MismatchedArtifactException(
        tensors.path(),
        "expected a reference with logits " + purpose + ", found windows without; give another");
  }

  /**
   * Reads and checks a whole file.
   *
   * @throws CorruptFileException when it is no such reference
   */
  public static RecordedWindows open(Path file) throws IOException {
    RecordedTensors tensors = new RecordedTensors(file);
    try {
      List<int[]> windows = tensors.tokenRows("input_ids");
      int windowTokens = windows.getFirst().length;
      if (windowTokens < WindowsProtocol.MIN_WINDOW_TOKENS) {
        throw tensors.corrupt(
            "input_ids",
            "tokens a window",
            "at least " + WindowsProtocol.MIN_WINDOW_TOKENS,
            windowTokens);
      }
      int columns = tensors.columnsOf("nll", windows.size());
      if (columns != windowTokens - 1) {
        throw tensors.corrupt("nll", "columns", windowTokens - 1, columns);
      }
      List<int[]> top1 = tensors.tokenRows("top1");
      if (top1.size() != windows.size() || top1.getFirst().length != windowTokens - 1) {
        throw tensors.corrupt(
            "top1",
            "shape",
            List.of(windows.size(), windowTokens - 1),
            List.of(top1.size(), top1.getFirst().length));
      }
      return new RecordedWindows(tensors, windows, tensors.values("nll"), top1);
    } catch (IOException | RuntimeException e) {
      tensors.close();
      throw e;
    }
  }

  @Override
  public SequencedMap<String, String> provenance() {
    SequencedMap<String, String> provenance = tensors.provenance();
    provenance.putFirst("kind", "recorded windows");
    provenance.put("windows", windows.size() + " of " + windows.getFirst().length + " tokens");
    return provenance;
  }

  @Override
  public void requireModel(ModelConfig config) throws IOException {
    for (int window = 0; window < windows.size(); window++) {
      TokenIds.requireBelow(config.vocabSize(), windows.get(window), tensors.path());
      TokenIds.requireBelow(config.vocabSize(), top1.get(window), tensors.path());
    }
  }

  int windowCount() {
    return windows.size();
  }

  int[] window(int index) {
    return windows.get(index);
  }

  /** Negative log-likelihood, in nats, of the token after a position. */
  double nll(int window, int position) {
    return nll.at(window, position);
  }

  /** The most probable token after a position. */
  int top1(int window, int position) {
    return top1.get(window)[position];
  }

  @Override
  public void close() {
    tensors.close();
  }
}
