package bora.formats;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.function.Executable;

/** What every complaint about a file has to say: which file, and what is wrong with it. */
public final class FileErrors {
  private FileErrors() {}

  /** Asserts that the message begins with the file's path and holds each of the words. */
  public static void assertCorrupt(Path file, Executable action, String... words) {
    assertMessage(file, assertThrows(CorruptFileException.class, action), words);
  }

  public static void assertUnsupported(
      Path file, UnsupportedVersionException.Reason reason, Executable action, String... words) {
    UnsupportedVersionException thrown = assertThrows(UnsupportedVersionException.class, action);
    assertTrue(thrown.reason() == reason, () -> "expected " + reason + ": " + thrown.getMessage());
    assertMessage(file, thrown, words);
  }

  private static void assertMessage(Path file, Exception thrown, String... words) {
    String message = thrown.getMessage();
    assertTrue(message.startsWith(file + ": "), () -> "does not begin with the file: " + message);
    for (String word : words) {
      assertTrue(message.contains(word), () -> "does not say `" + word + "`: " + message);
    }
  }
}
