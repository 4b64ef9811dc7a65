package bora.verifier;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * How a text becomes windows. Its tokens are cut into consecutive windows, each window's first
 * token is replaced by BOS, and the predictions made at positions T/2 to T-2 are scored. llama.cpp
 * does the same with the tokens of the text, BOS in front; transformers' recorded windows are cut
 * from the tokens of the text alone, one token further on. Both are cut here as they are given.
 *
 * @param windowTokens T, at least 3
 * @param maxWindows the most windows to take
 */
public record WindowsProtocol(int windowTokens, int maxWindows) {
  /** The shortest window with a position to score. */
  public static final int MIN_WINDOW_TOKENS = 3;

  /**
   * @throws IllegalArgumentException when no window would have a scored position
   */
  public WindowsProtocol {
    if (windowTokens < MIN_WINDOW_TOKENS || maxWindows < 1) {
      throw new IllegalArgumentException(
          "windows: expected at least 1 of at least "
              + MIN_WINDOW_TOKENS
              + " tokens, found "
              + maxWindows
              + " of "
              + windowTokens);
    }
  }

  /** The most tokens of a text that are used. */
  public int maxTokens() {
    return (int) Math.min((long) windowTokens * maxWindows, Integer.MAX_VALUE);
  }

  /**
   * Cuts a text. What is left at its end and makes no whole window is not used.
   *
   * @param bos replaces each window's first token; a model without one keeps it
   * @throws IllegalArgumentException when the tokens make no window
   */
  public List<int[]> windows(int[] tokens, OptionalInt bos) {
    int count = Math.min(tokens.length / windowTokens, maxWindows);
    if (count == 0) {
      throw new IllegalArgumentException(
          "tokens: expected at least " + windowTokens + " for one window, found " + tokens.length);
    }
    List<int[]> windows = new ArrayList<>();
    for (int w = 0; w < count; w++) {
      int[] window = new int[windowTokens];
      System.arraycopy(tokens, w * windowTokens, window, 0, windowTokens);
      bos.ifPresent(token -> window[0] = token);
      windows.add(window);
    }
    return List.copyOf(windows);
  }

  /** The positions of a window of {@code tokens} tokens whose predictions are scored. */
  public static PositionRange scored(int tokens) {
    return new PositionRange(tokens / 2, tokens - 1);
  }
}
