package bora.converter.cli;

import bora.converter.ToolVersion;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The {@code bora} command: finds the subcommand and turns its outcome into an exit code. */
@Command(
    name = "bora",
    header = "Turns Mistral and Mixtral checkpoints into small, fast, proven packs.",
    description = {
      "",
      "A pack is one memory-mapped file with every expert in an encoding of its own.",
      "`bora build` goes from a checkpoint to a verified pack; the other commands are its steps.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  bora build Mixtral-8x7B-v0.1 -o mixtral.bora      convert and verify",
      "  bora estimate mixtral-8x7b-v0.1                   what GPU memory it needs",
      "  bora inspect mixtral.bora --check                 what is in it, and is it whole",
      "",
      "Exit codes: 0 done, 1 a verification or gate failed, 2 wrong usage, 3 bad input,",
      "70 a defect of bora's. Results go to standard output, all else to standard error."
    },
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    versionProvider = Main.Version.class,
    subcommands = {
      BuildCommand.class,
      InspectCommand.class,
      CalibrateCommand.class,
      PlanCommand.class,
      ConvertCommand.class,
      JoinCommand.class,
      VerifyCommand.class,
      CaptureCommand.class,
      DiffCommand.class,
      EstimateCommand.class,
      TokenizeCommand.class,
      GenerateCommand.class,
      ChatCommand.class,
      BenchCommand.class,
      ExportCommand.class,
      ReleaseCommand.class,
      VerifySignatureCommand.class,
      PushCommand.class,
      PullCommand.class,
      ManualCommand.class
    })
public final class Main implements Runnable {
  /** The longest line of the commands' descriptions fits. */
  private static final int HELP_WIDTH = 100;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  private Main() {}

  /** Runs a command and exits with its code. */
  public static void main(String[] args) {
    PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
    PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
    int exitCode = run(out, err, args);
    // A full disk behind a redirection: what was printed is not there.
    if (out.checkError()) {
      err.println("bora: standard output: cannot be written");
      exitCode = ExitCode.BAD_INPUT;
    }
    System.exit(exitCode);
  }

  /**
   * Runs a command in this process.
   *
   * @return the exit code: 0 done, 1 a verification failed, 2 wrong usage, 3 bad input, 70 a defect
   */
  static int run(PrintWriter out, PrintWriter err, String... args) {
    try {
      return new CommandLine(new Main())
          .setOut(out)
          .setErr(err)
          .setCaseInsensitiveEnumValuesAllowed(true)
          .setUsageHelpWidth(HELP_WIDTH)
          .setExecutionExceptionHandler(new Failure())
          .execute(args);
    } catch (Error e) {
      return Failure.report(e, err);
    }
  }

  @Override
  public void run() {
    throw new CommandLine.ParameterException(spec.commandLine(), "missing command");
  }

  /** Says what the build wrote. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"bora " + ToolVersion.current()};
    }
  }
}
