package bora.runtime.machine;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** What Linux says that the processor has, and that Linux itself supports. */
final class Processor {
  /** Everything that the instructions of {@link Assembler} need; {@code launch.sh} asks too. */
  static final List<String> REQUIRED =
      List.of(
          "avx512f",
          "avx512bw",
          "avx512dq",
          "avx512vl",
          "avx512vbmi",
          "avx512_vbmi2",
          "avx512_vnni");

  private Processor() {}

  /** Why machine code cannot run here, or nothing. */
  static Optional<String> unsupportedReason() {
    String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
    if (!system.equals("Linux amd64")) {
      return Optional.of("written for Linux on x86-64, found " + system);
    }
    Set<String> flags = flags();
    List<String> missing = REQUIRED.stream().filter(flag -> !flags.contains(flag)).toList();
    return missing.isEmpty()
        ? Optional.empty()
        : Optional.of("the processor has no " + String.join(", ", missing));
  }

  private static Set<String> flags() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("flags"))
          .findFirst()
          .map(line -> Set.of(line.substring(line.indexOf(':') + 1).trim().split("\\s+")))
          .orElse(Set.of());
    } catch (IOException | UncheckedIOException e) {
      return Set.of();
    }
  }
}
