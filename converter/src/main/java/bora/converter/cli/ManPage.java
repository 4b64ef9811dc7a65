package bora.converter.cli;

import bora.converter.ToolVersion;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.Model.UsageMessageSpec;

/**
 * A command's manual page in the language of man(7), from what picocli knows of the command.
 * picocli's own generator writes AsciiDoc, which takes another program to become a manual page.
 */
final class ManPage {
  private final CommandLine command;
  private final UsageMessageSpec usage;

  ManPage(CommandLine command) {
    this.command = command;
    this.usage = command.getCommandSpec().usageMessage();
  }

  /** {@code bora-release} for {@code bora release}. */
  String name() {
    return command.getCommandSpec().qualifiedName("-");
  }

  String write() {
    StringBuilder page = new StringBuilder();
    page.append(".TH ").append(name().toUpperCase(Locale.ROOT)).append(" 1 \"\" \"bora ");
    page.append(ToolVersion.current()).append("\" \"bora\"\n");
    page.append(".SH NAME\n").append(escape(name())).append(" \\- ");
    page.append(escape(joined(usage.header()))).append('\n');
    page.append(".SH SYNOPSIS\n.nf\n");
    CommandLine.Help help = new CommandLine.Help(command.getCommandSpec(), Ansi.OFF);
    page.append(escape(help.synopsis(0))).append(".fi\n");
    page.append(".SH DESCRIPTION\n").append(escape(joined(usage.description()))).append('\n');
    appendParameters(page);
    appendOptions(page);
    appendCommands(page);
    if (usage.footer().length > 0) {
      page.append(".SH NOTES\n.nf\n");
      for (String line : usage.footer()) {
        page.append(escape(line)).append('\n');
      }
      page.append(".fi\n");
    }
    page.append(".SH SEE ALSO\n").append(escape(seeAlso())).append('\n');
    return page.toString();
  }

  private void appendParameters(StringBuilder page) {
    List<PositionalParamSpec> parameters = command.getCommandSpec().positionalParameters();
    if (!parameters.isEmpty()) {
      page.append(".SH ARGUMENTS\n");
    }
    for (PositionalParamSpec parameter : parameters) {
      appendEntry(page, parameter.paramLabel(), joined(parameter.description()));
    }
  }

  private void appendOptions(StringBuilder page) {
    page.append(".SH OPTIONS\n");
    for (OptionSpec option : command.getCommandSpec().options()) {
      if (!option.hidden()) {
        String names = String.join(", ", option.names());
        boolean valued = option.arity().max() > 0;
        appendEntry(
            page,
            valued ? names + "=" + option.paramLabel() : names,
            joined(option.description())
                .replace("${DEFAULT-VALUE}", Objects.toString(option.defaultValue(), "none")));
      }
    }
  }

  private void appendCommands(StringBuilder page) {
    List<CommandLine> commands = visible(command);
    if (!commands.isEmpty()) {
      page.append(".SH COMMANDS\n");
    }
    for (CommandLine each : commands) {
      CommandSpec spec = each.getCommandSpec();
      appendEntry(page, spec.name(), joined(spec.usageMessage().header()));
    }
  }

  /** The commands below one that are meant to be found. */
  static List<CommandLine> visible(CommandLine command) {
    return command.getSubcommands().values().stream()
        .filter(each -> !each.getCommandSpec().usageMessage().hidden())
        .toList();
  }

  private static void appendEntry(StringBuilder page, String term, String text) {
    page.append(".TP\n\\fB")
        .append(escape(term))
        .append("\\fR\n")
        .append(escape(text))
        .append('\n');
  }

  private String seeAlso() {
    CommandLine parent = command.getParent();
    return parent == null
        ? visible(command).stream()
            .map(each -> new ManPage(each).name() + "(1)")
            .collect(Collectors.joining(", "))
        : new ManPage(parent).name() + "(1)";
  }

  private static String joined(String[] lines) {
    return Stream.of(lines).filter(line -> !line.isBlank()).collect(Collectors.joining(" "));
  }

  /** What would be a request or an escape to roff. */
  private static String escape(String text) {
    return text.replace("\\", "\\e")
        .replace("-", "\\-")
        .lines()
        .map(line -> line.startsWith(".") || line.startsWith("'") ? "\\&" + line : line)
        .collect(Collectors.joining("\n", "", text.endsWith("\n") ? "\n" : ""));
  }
}
