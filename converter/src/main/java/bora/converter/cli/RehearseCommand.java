package bora.converter.cli;

import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/**
 * {@code bora rehearse}: runs commands in one process while the launcher has the virtual machine
 * record what they load (JEP 483 and 515).
 */
@Command(
    name = "rehearse",
    header = "Makes bora start faster with this Java, where it is installed.",
    description = {
      "",
      "Runs some commands with a pack while Java records what they need, into a file",
      "beside the libraries (25 MB). It is used until Java changes or bora is moved.",
      ""
    },
    mixinStandardHelpOptions = true)
final class RehearseCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(index = "0", paramLabel = "PACK", description = "any pack")
  private Path pack;

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
    String path = pack.toString();
    List<String[]> commands =
        List.of(
            new String[] {"inspect", path},
            new String[] {"inspect", "--json", path},
            new String[] {"estimate", path},
            new String[] {"generate", "--tokens", "1,2,3", "-n", "8", path});
    for (String[] command : commands) {
      int exitCode = Main.run(nowhere, err, command);
      if (exitCode != ExitCode.DONE) {
        return exitCode;
      }
    }
    return ExitCode.DONE;
  }
}
