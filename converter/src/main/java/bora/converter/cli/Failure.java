package bora.converter.cli;

import bora.formats.MappedFile;
import bora.runtime.ContextTooLargeException;
import bora.runtime.NoMachineCodeException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine;

/** Turns an exception into a message and an exit code: input's fault, or a defect of bora's. */
final class Failure implements CommandLine.IExecutionExceptionHandler {
  @Override
  public int handleExecutionException(
      Exception exception, CommandLine commandLine, CommandLine.ParseResult parsed) {
    return report(exception, commandLine.getErr());
  }

  /** Says what went wrong and returns the exit code for it. */
  static int report(Throwable failure, PrintWriter err) {
    switch (failure) {
      case IOException io -> err.println("bora: " + printable(message(io)));
      case UncheckedIOException unchecked ->
          err.println("bora: " + printable(message(unchecked.getCause())));
      case InternalError fault when MappedFile.isFault(fault) ->
          err.println("bora: " + printable(message(MappedFile.unreadable(fault))));
      case NoMachineCodeException missing -> err.println("bora: " + missing.getMessage());
      case ContextTooLargeException large ->
          err.println("bora: " + large.getMessage() + "; a shorter context takes less");
      case OutOfMemoryError memory ->
          err.println(
              "bora: too little memory: "
                  + memory.getMessage()
                  + "; give -Xmx a larger one in BORA_JAVA_OPTS");
      default -> {
        err.println("bora: this is a defect of bora's; please report it with what follows");
        failure.printStackTrace(err);
        return ExitCode.DEFECT;
      }
    }
    return ExitCode.BAD_INPUT;
  }

  /** File system exceptions say only the file where the system gave no reason. */
  private static String message(IOException io) {
    if (io instanceof FileSystemException failed && failed.getReason() == null) {
      String reason =
          switch (failed) {
            case NoSuchFileException _ -> "no such file or directory";
            case AccessDeniedException _ -> "permission denied";
            default -> failed.getClass().getSimpleName();
          };
      return failed.getFile() + ": " + reason;
    }
    return io.getMessage() == null ? io.getClass().getSimpleName() : io.getMessage();
  }

  /** Messages cite files, which may hold what a terminal would obey. */
  private static String printable(String message) {
    return PlainWriter.plain(message.replace("\n", "\\u000a"));
  }
}
