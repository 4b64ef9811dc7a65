package bora.verifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.module.ModuleDescriptor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** A pass means something only as long as the verifier cannot see what it verifies being made. */
final class IndependenceTest {
  @Test
  void moduleRequiresNeitherQuantizerNorConverter() throws IOException {
    try (InputStream descriptor =
        Files.newInputStream(Path.of("target", "classes", "module-info.class"))) {
      Set<String> required =
          ModuleDescriptor.read(descriptor).requires().stream()
              .map(ModuleDescriptor.Requires::name)
              .filter(name -> name.startsWith("bora."))
              .collect(Collectors.toSet());
      assertEquals(Set.of("bora.formats", "bora.runtime"), required);
    }
  }

  @Test
  void pomDependsOnNeitherQuantizerNorConverter() throws IOException {
    String pom = Files.readString(Path.of("pom.xml"));
    String dependencies =
        pom.substring(pom.indexOf("<dependencies>"), pom.indexOf("</dependencies>"));
    assertFalse(dependencies.contains("bora-quantizer"));
    assertFalse(dependencies.contains("bora-converter"));
  }

  @Test
  void referenceModelUsesNothingOfTheRuntime() throws IOException {
    Path sources = Path.of("src", "main", "java", "bora", "verifier");
    try (Stream<Path> files = Files.walk(sources)) {
      Set<String> users =
          files
              .filter(file -> file.toString().endsWith(".java"))
              .filter(file -> contains(file, "import bora.runtime"))
              .map(file -> file.getFileName().toString())
              .collect(Collectors.toSet());
      assertEquals(
          Set.of(
              "RuntimeCandidate.java",
              "RecordingObserver.java",
              "ExpertReplacement.java",
              "MemorySection.java"),
          users);
    }
  }

  private static boolean contains(Path file, String text) {
    try {
      return Files.readString(file).contains(text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
