package bora.converter.cli;

import picocli.CommandLine;
import picocli.CommandLine.Option;

/** How many threads work. */
final class ThreadOptions {
  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "threads to use; default: one for each processor")
  private Integer threads;

  int count(CommandLine.Model.CommandSpec spec) {
    Usage.require(
        spec, threads == null || threads >= 1, "--threads: expected at least 1, found " + threads);
    return threads == null ? Runtime.getRuntime().availableProcessors() : threads;
  }
}
