package bora.converter.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A command run in a process of its own, which can be killed. */
final class ChildProcess {
  /** Compiles quickly: the conversion of a small example takes a moment. */
  static final String QUICK = "-XX:TieredStopAtLevel=1";

  /** Compiles nothing: the conversion takes seconds, so that something can happen meanwhile. */
  static final String SLOW = "-Xint";

  private static final long LIMIT_SECONDS = 120;

  private final Process process;
  private final Path output;

  private ChildProcess(Process process, Path output) {
    this.process = process;
    this.output = output;
  }

  /**
   * Starts a command.
   *
   * @param output receives what it prints
   * @param speed {@link #QUICK} or {@link #SLOW}
   */
  static ChildProcess start(Path output, String speed, Object... arguments) throws IOException {
    return start(output, List.of(), speed, arguments);
  }

  /**
   * Starts a command through a shell, {@link #QUICK}.
   *
   * @param limit a command of the shell that comes first, as {@code ulimit}
   */
  static ChildProcess startLimited(Path output, String limit, Object... arguments)
      throws IOException {
    return start(output, List.of("sh", "-c", limit + "; exec \"$@\"", "sh"), QUICK, arguments);
  }

  private static ChildProcess start(
      Path output, List<String> prefix, String speed, Object... arguments) throws IOException {
    List<String> command = new ArrayList<>(prefix);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(speed, "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx256m"));
    command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    Arrays.stream(arguments).map(String::valueOf).forEach(command::add);
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    return new ChildProcess(process, output);
  }

  /** Waits until a file exists and is longer than so many bytes, or the process has ended. */
  void awaitFile(Path file, long bytes) throws InterruptedException {
    while (process.isAlive() && size(file) <= bytes) {
      Thread.sleep(1);
    }
  }

  /** Waits until it has printed a text, or has ended. */
  void awaitPrinted(String text) throws InterruptedException {
    while (process.isAlive() && !printed().contains(text)) {
      Thread.sleep(10);
    }
  }

  private static long size(Path file) {
    try {
      return Files.exists(file) ? Files.size(file) : -1;
    } catch (IOException e) {
      return -1;
    }
  }

  void kill() throws InterruptedException {
    process.destroyForcibly();
    exitCode();
  }

  /** Ctrl-C. */
  void interrupt() throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-INT", String.valueOf(process.pid())).start().waitFor();
  }

  /** Waits for the end. */
  int exitCode() throws InterruptedException {
    if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new IllegalStateException("still running after " + LIMIT_SECONDS + " s: " + printed());
    }
    return process.exitValue();
  }

  String printed() {
    try {
      return Files.readString(output);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
