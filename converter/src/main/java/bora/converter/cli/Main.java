package bora.converter.cli;

import bora.converter.ToolVersion;
import bora.formats.json.StrictJson;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
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
    versionProvider = Main.Version.class)
public final class Main implements Runnable {
  /** The longest line of the commands' descriptions fits. */
  private static final int HELP_WIDTH = 100;

  /** Answered without the command line, which would take longer than everything else. */
  private static final String VERSION_OPTION = "--version";

  /** Tells of all others. */
  private static final String MANUAL = "manual";

  /** In the order of the help. */
  static final List<String> COMMANDS =
      List.of(
          "build",
          "inspect",
          "calibrate",
          "plan",
          "convert",
          "join",
          "verify",
          "capture",
          "diff",
          "estimate",
          "tokenize",
          "generate",
          "chat",
          "bench",
          "export",
          "release",
          "verify-signature",
          "push",
          "pull",
          "rehearse",
          MANUAL);

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  private Main() {}

  /** Runs a command and exits with its code. */
  public static void main(String[] args) {
    PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
    PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
    if (args.length > 1) {
      // Nearly every command goes on to read JSON, once its options are parsed.
      Thread.ofPlatform().daemon().name("bora-json").start(StrictJson::prepare);
    }
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
      if (args.length == 1 && args[0].equals(VERSION_OPTION)) {
        out.println(new Version().getVersion()[0]);
        return ExitCode.DONE;
      }
      return commandLine(args)
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

  /**
   * All subcommands, or the one that is asked for, if there is one: the others are not worth the
   * time that it takes to find out their options.
   */
  private static CommandLine commandLine(String... args) {
    CommandLine root = new CommandLine(new Main());
    boolean alone = args.length > 0 && COMMANDS.contains(args[0]) && !args[0].equals(MANUAL);
    for (String name : alone ? List.of(args[0]) : COMMANDS) {
      root.addSubcommand(command(name));
    }
    return root;
  }

  static Class<?> command(String name) {
    return switch (name) {
      case "build" -> BuildCommand.class;
      case "inspect" -> InspectCommand.class;
      case "calibrate" -> CalibrateCommand.class;
      case "plan" -> PlanCommand.class;
      case "convert" -> ConvertCommand.class;
      case "join" -> JoinCommand.class;
      case "verify" -> VerifyCommand.class;
      case "capture" -> CaptureCommand.class;
      case "diff" -> DiffCommand.class;
      case "estimate" -> EstimateCommand.class;
      case "tokenize" -> TokenizeCommand.class;
      case "generate" -> GenerateCommand.class;
      case "chat" -> ChatCommand.class;
      case "bench" -> BenchCommand.class;
      case "export" -> ExportCommand.class;
      case "release" -> ReleaseCommand.class;
      case "verify-signature" -> VerifySignatureCommand.class;
      case "push" -> PushCommand.class;
      case "pull" -> PullCommand.class;
      case "rehearse" -> RehearseCommand.class;
      case MANUAL -> ManualCommand.class;
      default -> throw new IllegalArgumentException("no command: " + name);
    };
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
