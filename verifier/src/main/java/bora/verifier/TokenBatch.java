package bora.verifier;

import java.util.Arrays;
import java.util.List;

/** The tokens of several sequences, one after the other. */
final class TokenBatch {
  private final List<int[]> sequences;
  private final int[] starts;
  private final int[] tokens;
  private final int[] positions;

  TokenBatch(List<int[]> sequences) {
    this.sequences = sequences;
    starts = new int[sequences.size() + 1];
    for (int s = 0; s < sequences.size(); s++) {
      if (sequences.get(s).length == 0) {
        throw new IllegalArgumentException("sequence " + s + " has no tokens");
      }
      starts[s + 1] = starts[s] + sequences.get(s).length;
    }
    tokens = sequences.stream().flatMapToInt(Arrays::stream).toArray();
    positions = new int[tokens.length];
    for (int s = 0; s < sequences.size(); s++) {
      for (int t = starts[s]; t < starts[s + 1]; t++) {
        positions[t] = t - starts[s];
      }
    }
  }

  int sequenceCount() {
    return sequences.size();
  }

  int[] sequence(int index) {
    return sequences.get(index);
  }

  /** Index of a sequence's first token. */
  int start(int sequence) {
    return starts[sequence];
  }

  /** Index after a sequence's last token. */
  int end(int sequence) {
    return starts[sequence + 1];
  }

  int[] tokens() {
    return tokens;
  }

  /** A token's position in its own sequence. */
  int position(int token) {
    return positions[token];
  }
}
