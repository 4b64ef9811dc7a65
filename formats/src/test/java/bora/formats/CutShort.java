package bora.formats;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.function.Executable;

/** What another process may do to a file while it is mapped, and what is to be said of it. */
public final class CutShort {
  private CutShort() {}

  /** Cuts a file, whoever uses it. */
  public static void to(Path file, long bytes) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.truncate(bytes);
    }
  }

  /** Asserts that reading in which a file is cut to nothing fails, naming it and both lengths. */
  public static void assertNamed(Path file, Executable reading) throws IOException {
    long bytes = Files.size(file);
    String expected =
        file + ": was cut short while it was in use: expected " + bytes + " bytes, found 0;";
    String message = assertThrows(IOException.class, reading).getMessage();
    assertTrue(message.startsWith(expected), message);
  }
}
