package bora.converter;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.Provenance;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The files of a checkpoint as they were when a conversion began, and their hashes. They are read
 * more than once, mapped and hashed, and after a resumption in part not again: so they must stay
 * what they were.
 */
final class SourceFiles {
  /** What tells a file from a changed one without reading it. */
  private record State(long bytes, FileTime modified) {
    static State of(Path file) throws IOException {
      return new State(Files.size(file), Files.getLastModifiedTime(file));
    }
  }

  private final SequencedMap<Path, State> states;
  private final Map<Path, String> sha256 = new ConcurrentHashMap<>();

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

  /** Takes note of a file's SHA-256; from any thread. */
  void recordHash(Path file, String hash) {
    sha256.put(file, hash);
  }

  /**
   * Every file with its SHA-256.
   *
   * @throws IllegalStateException when one was not hashed
   */
  List<Provenance.Source> hashed() {
    if (!sha256.keySet().equals(states.keySet())) {
      throw new IllegalStateException("not every source file was hashed");
    }
    List<Provenance.Source> hashed = new ArrayList<>();
    states.forEach(
        (file, state) ->
            hashed.add(
                new Provenance.Source(
                    file.getFileName().toString(), state.bytes(), sha256.get(file))));
    return hashed;
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
