package bora.converter.cli;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.checkpoint.CheckpointLayout;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.stream.Collectors;

/** The checkpoint that a command is given. */
final class CheckpointArgument {
  static final String DESCRIPTION = "a checkpoint's directory, or a GGUF file";

  private CheckpointArgument() {}

  /** Opens it and says which layout is read, and which others are there. */
  static Checkpoint open(Path path, PrintWriter err) throws IOException {
    Checkpoint checkpoint = Checkpoint.open(path);
    String others =
        checkpoint.otherLayouts().stream()
            .map(CheckpointLayout::label)
            .collect(Collectors.joining(", "));
    err.println(
        "reading "
            + path
            + ": "
            + checkpoint.layout().label()
            + (others.isEmpty() ? "" : "; found but not read: " + others));
    return checkpoint;
  }
}
