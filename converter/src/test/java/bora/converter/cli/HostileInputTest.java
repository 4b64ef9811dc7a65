package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Input that wants more than to be read: {@code docs/robustness.md}. */
class HostileInputTest {
  private static final Path MIXTRAL = CommandLineRun.example("tiny-mixtral");

  @TempDir private Path directory;

  private Path copyOfMixtral() throws IOException {
    Path copy = Files.createDirectory(directory.resolve("copy"));
    try (Stream<Path> files = Files.list(MIXTRAL)) {
      for (Path file : files.toList()) {
        Files.copy(file, copy.resolve(file.getFileName()));
      }
    }
    return copy;
  }

  private static String refused(Object... arguments) {
    CommandLineRun run = CommandLineRun.of(arguments);
    assertEquals(3, run.exitCode(), run.err());
    return run.err();
  }

  /** Whatever a command reads besides weights, in place of which stands what cannot be read. */
  private static List<List<Object>> otherInputs() {
    return List.of(
        List.of("plan", MIXTRAL, "--policy"),
        List.of("convert", MIXTRAL, "-o", "never.bora", "--plan"),
        List.of("plan", MIXTRAL, "--calibration"),
        List.of("capture", MIXTRAL, "-o", "never.safetensors", "--tokens"),
        List.of("capture", MIXTRAL, "-o", "never.safetensors", "--text"));
  }

  /** Reading the first bytes of /proc/self/mem is an input/output error, as of a failing disk. */
  @ParameterizedTest
  @MethodSource("otherInputs")
  void aFileWhoseDiskFailsIsNamed(List<Object> command) {
    Path failing = Path.of("/proc/self/mem");
    assumeTrue(Files.isReadable(failing), "needs /proc");
    String message = refused(Stream.concat(command.stream(), Stream.of(failing)).toArray());
    assertTrue(message.contains("bora: " + failing + ": "), message);
  }

  @ParameterizedTest
  @MethodSource("otherInputs")
  void aDirectoryInPlaceOfAFileIsNamed(List<Object> command) {
    String message = refused(Stream.concat(command.stream(), Stream.of(directory)).toArray());
    assertTrue(message.contains("bora: " + directory + ": "), message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "config.json",
        "model.safetensors.index.json",
        "model-00002-of-00002.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "reference.safetensors"
      })
  void aLinkOutOfTheCheckpointIsNotFollowed(String name) throws IOException {
    Path copy = copyOfMixtral();
    Path outside = Files.move(copy.resolve(name), directory.resolve("outside"));
    Files.createSymbolicLink(copy.resolve(name), outside);
    Path out = directory.resolve("model.bora");
    String message = refused("build", copy, "-o", out, "--policy", "q4");
    assertTrue(message.contains(copy.resolve(name) + ": a link that leaves"), message);
  }

  @Test
  void aTokenizerOutsideTheCheckpointIsNotRead() throws IOException {
    Path copy = copyOfMixtral();
    Path outside = Files.move(copy.resolve("tokenizer.json"), directory.resolve("outside"));
    Files.createSymbolicLink(copy.resolve("tokenizer.json"), outside);
    String message = refused("tokenize", copy, "--text", "hello");
    assertTrue(message.contains("a link that leaves the checkpoint"), message);
  }

  @Test
  void whatATerminalWouldObeyIsWrittenOut() throws IOException {
    Path copy = copyOfMixtral();
    Path index = copy.resolve("model.safetensors.index.json");
    String clearScreen = "\\u001b[2J\\u202e";
    Files.writeString(
        index,
        Files.readString(index)
            .replaceFirst("lm_head", "lm_head" + clearScreen.replace("\\", "\\\\")));
    String message = refused("inspect", copy);
    assertFalse(message.contains("\u001b"), message);
    assertTrue(message.contains("lm_head" + clearScreen), message);
  }

  @ParameterizedTest
  @ValueSource(strings = {"/etc/passwd", "../other.safetensors", "a/b.safetensors", ".hidden"})
  void anIndexThatNamesAFileElsewhereIsRefused(String name) throws IOException {
    Path copy = copyOfMixtral();
    Path index = copy.resolve("model.safetensors.index.json");
    Files.writeString(
        index, Files.readString(index).replace("model-00001-of-00002.safetensors", name));
    String message = refused("inspect", copy);
    assertTrue(message.contains("expected the name of a file in this directory"), message);
  }
}
