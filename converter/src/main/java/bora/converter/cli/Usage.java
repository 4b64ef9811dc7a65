package bora.converter.cli;

import java.util.function.Supplier;
import picocli.CommandLine;

/** Complaints about what was typed: exit code 2 and the command's usage. */
final class Usage {
  private Usage() {}

  static void require(CommandLine.Model.CommandSpec spec, boolean holds, String message) {
    if (!holds) {
      throw new CommandLine.ParameterException(spec.commandLine(), message);
    }
  }

  /** Runs a parser whose complaint is an {@link IllegalArgumentException}. */
  static <T> T value(Supplier<T> parser) {
    try {
      return parser.get();
    } catch (IllegalArgumentException e) {
      throw new CommandLine.TypeConversionException(e.getMessage());
    }
  }
}
