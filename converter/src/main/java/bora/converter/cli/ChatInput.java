package bora.converter.cli;

import bora.formats.CorruptFileException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/**
 * What a person types, message by message: at a terminal with editing and history, else the lines
 * of standard input. A line that ends with a backslash goes on in the next.
 */
abstract sealed class ChatInput implements AutoCloseable {
  private static final String FIRST_PROMPT = "> ";
  private static final String NEXT_PROMPT = ". ";

  /** The terminal's, where standard input and output are one. */
  static ChatInput open() throws IOException {
    boolean terminal = System.console() != null && System.console().isTerminal();
    return terminal ? new OfTerminal() : new OfLines(System.in);
  }

  /** The next message; empty at the end of the input. */
  final Optional<String> next() throws IOException {
    StringBuilder message = new StringBuilder();
    Optional<String> line = line(FIRST_PROMPT);
    while (line.isPresent() && line.get().endsWith("\\")) {
      message.append(line.get(), 0, line.get().length() - 1).append('\n');
      line = line(NEXT_PROMPT);
    }
    line.ifPresent(message::append);
    return line.isEmpty() && message.isEmpty() ? Optional.empty() : Optional.of(message.toString());
  }

  abstract Optional<String> line(String prompt) throws IOException;

  /** Whether a person types, who can mend what is refused. */
  abstract boolean isInteractive();

  /** Lets Ctrl-C call this instead of ending the process, where that can be told apart. */
  abstract void onInterrupt(Runnable action);

  @Override
  public abstract void close() throws IOException;

  private static final class OfTerminal extends ChatInput {
    private final Terminal terminal = TerminalBuilder.builder().system(true).build();
    private final LineReader reader =
        LineReaderBuilder.builder()
            .terminal(terminal)
            .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
            .build();

    OfTerminal() throws IOException {}

    @Override
    Optional<String> line(String prompt) {
      while (true) {
        try {
          return Optional.of(reader.readLine(prompt));
        } catch (UserInterruptException e) {
          // Ctrl-C discards the line; Ctrl-D ends.
        } catch (EndOfFileException e) {
          return Optional.empty();
        }
      }
    }

    @Override
    boolean isInteractive() {
      return true;
    }

    @Override
    void onInterrupt(Runnable action) {
      terminal.handle(Terminal.Signal.INT, signal -> action.run());
    }

    @Override
    public void close() throws IOException {
      terminal.close();
    }
  }

  private static final class OfLines extends ChatInput {
    private final BufferedReader lines;

    OfLines(InputStream in) {
      lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder()));
    }

    @Override
    Optional<String> line(String prompt) throws IOException {
      try {
        return Optional.ofNullable(lines.readLine());
      } catch (CharacterCodingException e) {
        throw new CorruptFileException(
            Path.of("standard input"), "no valid UTF-8; convert the text to UTF-8", e);
      }
    }

    @Override
    boolean isInteractive() {
      return false;
    }

    @Override
    void onInterrupt(Runnable action) {}

    @Override
    public void close() {}
  }
}
