package bora.converter.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code bora manual}: what a distribution has beside the program; run by the build. */
@Command(
    name = "manual",
    header = "Writes manual pages and shell completion.",
    hidden = true,
    mixinStandardHelpOptions = true)
final class ManualCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "DIR", description = "where to write man/man1 and bash-completion")
  private Path directory;

  @Override
  public Integer call() throws IOException {
    CommandLine bora = spec.parent().commandLine();
    List<CommandLine> commands = new ArrayList<>(List.of(bora));
    commands.addAll(ManPage.visible(bora));
    Path pages = Files.createDirectories(directory.resolve("man/man1"));
    for (CommandLine command : commands) {
      ManPage page = new ManPage(command);
      Files.writeString(pages.resolve(page.name() + ".1"), page.write());
    }
    Path completions = Files.createDirectories(directory.resolve("bash-completion/completions"));
    Files.writeString(
        completions.resolve(bora.getCommandName()), AutoComplete.bash(bora.getCommandName(), bora));
    return ExitCode.DONE;
  }
}
