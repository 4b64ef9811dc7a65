package bora.runtime.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class ProcessorTest {
  private static final Path LAUNCHER = Path.of("..", "converter/src/dist/bin/launch.sh");

  /** It chooses a compiler by them that is of no use without machine code. */
  @Test
  void theLauncherAsksForTheSameInstructions() throws IOException {
    List<String> loops =
        Files.readAllLines(LAUNCHER).stream()
            .map(String::strip)
            .filter(line -> line.startsWith("for flag in "))
            .toList();
    String expected =
        Processor.REQUIRED.stream().collect(Collectors.joining(" ", "for flag in ", "; do"));
    assertEquals(List.of(expected), loops);
  }
}
