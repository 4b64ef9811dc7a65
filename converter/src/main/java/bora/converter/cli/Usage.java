package bora.converter.cli;

import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
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

  /** The one of some choices that the user wrote the id of. */
  static <T> T choice(String what, T[] choices, Function<T, String> id, String written) {
    List<String> ids = Arrays.stream(choices).map(id).toList();
    int index = ids.indexOf(written);
    if (index < 0) {
      throw new CommandLine.TypeConversionException(
          what + ": expected one of " + ids + ", found " + written);
    }
    return choices[index];
  }
}
