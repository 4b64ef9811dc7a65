package bora.converter;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.QuantizationPolicy;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code examples/embed} is a program that compiles, as modules, and runs. */
final class EmbedTest {
  @TempDir private Path directory;

  @Test
  void theExampleOfUseAsALibraryCompilesAndRuns() throws Exception {
    Path classes = Files.createDirectory(directory.resolve("classes"));
    ByteArrayOutputStream messages = new ByteArrayOutputStream();
    int result =
        ToolProvider.getSystemJavaCompiler()
            .run(null, messages, messages, arguments(classes).toArray(String[]::new));
    assertEquals(0, result, messages.toString(UTF_8));

    Path example = Path.of("..", "examples", "tiny-mixtral");
    Path pack = directory.resolve("model.bora");
    try (Checkpoint checkpoint = Checkpoint.open(example)) {
      QuantizationPlan plan =
          Planner.plan(checkpoint, QuantizationPolicy.named("q8"), ProgressListener.NONE);
      Conversion.run(checkpoint, plan, pack, 1, ProgressListener.NONE);
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {classes.toUri().toURL()}, getClass().getClassLoader())) {
      loader
          .loadClass("embed.Embed")
          .getMethod("run", PrintStream.class, Path.class, String.class, Path.class)
          .invoke(
              null,
              new PrintStream(out, true, UTF_8),
              pack,
              "The captain said that",
              example.resolve("reference.safetensors"));
    }
    List<String> lines = out.toString(UTF_8).lines().toList();
    assertTrue(lines.getFirst().endsWith("[TOKEN_LIMIT]"), out.toString(UTF_8));
    assertEquals("PASS", lines.getLast());
  }

  private static List<String> arguments(Path classes) throws IOException {
    String modulePath =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(entry -> !entry.contains("test-classes"))
            .collect(Collectors.joining(File.pathSeparator));
    List<String> arguments =
        new ArrayList<>(
            List.of("-proc:none", "-Xlint:all", "-p", modulePath, "-d", classes.toString()));
    try (Stream<Path> sources = Files.walk(Path.of("..", "examples", "embed", "src"))) {
      sources
          .map(Path::toString)
          .filter(name -> name.endsWith(".java"))
          .sorted()
          .forEach(arguments::add);
    }
    return arguments;
  }
}
