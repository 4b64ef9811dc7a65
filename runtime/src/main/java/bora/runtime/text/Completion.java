package bora.runtime.text;

/**
 * What a model wrote.
 *
 * @param tokens as generated, an end-of-sequence token or a stop string's included
 * @param text of these, up to the stop string; special tokens have none
 * @param ending why it ends there
 */
public record Completion(int[] tokens, String text, Ending ending) {
  /** Why a generation ended. */
  public enum Ending {
    /** The model chose an end-of-sequence token. */
    END_OF_SEQUENCE,
    /** A stop string came. */
    STOP_STRING,
    /** As many tokens as were asked for. */
    TOKEN_LIMIT,
    /** The listener wanted no more. */
    CANCELLED
  }
}
