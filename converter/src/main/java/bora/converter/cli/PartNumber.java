package bora.converter.cli;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine;

/**
 * Which of how many parts: {@code 3/8}.
 *
 * @param number from 1
 */
record PartNumber(int number, int count) {
  private static final Pattern FORM = Pattern.compile("([0-9]{1,5})/([0-9]{1,5})");

  /** Parses {@code 3/8}. */
  static final class Converter implements CommandLine.ITypeConverter<PartNumber> {
    @Override
    public PartNumber convert(String text) {
      Matcher matcher = FORM.matcher(text);
      if (matcher.matches()) {
        int number = Integer.parseInt(matcher.group(1));
        int count = Integer.parseInt(matcher.group(2));
        if (number >= 1 && number <= count) {
          return new PartNumber(number, count);
        }
      }
      throw new CommandLine.TypeConversionException(
          "expected K/N with K from 1 to N, found `" + text + "`");
    }
  }
}
