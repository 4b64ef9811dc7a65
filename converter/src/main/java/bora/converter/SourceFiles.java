package bora.converter;

import bora.formats.checkpoint.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * The files of a checkpoint as they were when a conversion began. They are read more than once,
 * mapped and hashed, and after a resumption in part not again: so they must stay what they were.
 */
final class SourceFiles {
  /** What tells a file from a changed one without reading it. */
  private record State(long bytes, FileTime modified) {
    static State of(Path file) throws IOException {
      return new State(Files.size(file), Files.getLastModifiedTime(file));
    }
  }

  private final SequencedMap<Path, State> states;

  private SourceFiles(SequencedMap<Path, State> states) {
    this.states = states;
  }

  static SourceFiles of(Checkpoint checkpoint) throws IOException {
    SequencedMap<Path, State> states = new LinkedHashMap<>();
    for (Path file : checkpoint.sourceFiles()) {
      states.put(file, State.of(file));
    }
    return new SourceFiles(states);
  }

  List<Path> files() {
    return List.copyOf(states.keySet());
  }

  /** Name and length of each: what stays the same on another machine. */
  String describeAnywhere() {
    StringBuilder text = new StringBuilder();
    states.forEach(
        (file, state) ->
            text.append(file.getFileName()).append(' ').append(state.bytes()).append('\n'));
    return text.toString();
  }

  /** Name, length and time of change of each. */
  String describe() {
    StringBuilder text = new StringBuilder();
    states.forEach(
        (file, state) ->
            text.append(file.getFileName())
                .append(' ')
                .append(state.bytes())
                .append(' ')
                .append(state.modified())
                .append('\n'));
    return text.toString();
  }

  /**
   * @throws IOException naming a file that is not what it was
   */
  void requireUnchanged() throws IOException {
    for (Path file : states.keySet()) {
      State before = states.get(file);
      State now = State.of(file);
      if (!now.equals(before)) {
        throw new IOException(
            file
                + ": changed while it was converted: expected "
                + before.bytes()
                + " bytes of "
                + before.modified()
                + ", found "
                + now.bytes()
                + " of "
                + now.modified());
      }
    }
  }
}
