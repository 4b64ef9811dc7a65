package bora.formats.checkpoint;

/** The value of a key in a GGUF file's metadata. */
sealed interface GgufValue {
  /** An integer of any width. */
  record Whole(long value) implements GgufValue {}

  /** A float of either width. */
  record Real(double value) implements GgufValue {}

  /** A truth value. */
  record Flag(boolean value) implements GgufValue {}

  /** A string. */
  record Text(String value) implements GgufValue {}

  /** An array; what is in it, vocabularies mostly, is skipped. */
  record Array(long length) implements GgufValue {}
}
