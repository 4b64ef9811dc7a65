package bora.converter.signing;

import bora.formats.CorruptFileException;
import bora.formats.ProgressListener;
import bora.formats.Sha256;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * A directory that holds a signature over its files.
 *
 * @param name the model's, as it was signed
 * @param sha256 of each signed file by its path
 */
public record SignedDirectory(String name, SequencedMap<String, String> sha256) {
  /** What the reference implementation leaves out as well. */
  private static final List<String> NEVER_SIGNED =
      List.of(".git", ".gitattributes", ".github", ".gitignore");

  /**
   * The bytes of a signature.
   *
   * @param sha256 of each file by its path in the directory, with {@code /}
   * @param ignored paths in the directory, beside those of git, that are not covered; the
   *     signature's own among them
   */
  public static byte[] sign(
      SigningKey key, String name, Map<String, String> sha256, List<String> ignored) {
    List<String> all = new ArrayList<>(ignored);
    all.addAll(NEVER_SIGNED);
    all.sort(null);
    return SignatureBundle.write(ModelStatement.of(name, sha256, all).write(), key);
  }

  /**
   * Verifies a signature and holds every file of the directory against it.
   *
   * @param signature the file that holds it, usually in the directory
   * @param progress told the bytes read
   * @throws CorruptFileException when the signature is not the key's, or naming every file that was
   *     changed, added or removed
   */
  public static SignedDirectory verify(
      Path directory, Path signature, VerificationKey key, ProgressListener progress)
      throws IOException {
    if (!Files.isDirectory(directory)) {
      throw new NoSuchFileException(directory.toString(), null, "no such directory");
    }
    if (!Files.isRegularFile(signature)) {
      throw new NoSuchFileException(
          signature.toString(), null, "no such file: the directory is not signed");
    }
    ModelStatement statement = ModelStatement.read(signature, SignatureBundle.read(signature, key));
    SequencedMap<String, Path> files = files(directory, statement.ignored());
    if (signature.toAbsolutePath().startsWith(directory.toAbsolutePath())) {
      files.remove(relative(directory.toAbsolutePath(), signature.toAbsolutePath()));
    }
    List<String> faults = new ArrayList<>();
    for (Map.Entry<String, String> signed : statement.sha256().entrySet()) {
      Path file = files.remove(signed.getKey());
      if (file == null) {
        faults.add("missing: " + signed.getKey());
      } else if (!Sha256.of(file, progress).equals(signed.getValue())) {
        faults.add("changed: " + signed.getKey());
      }
    }
    files.keySet().forEach(file -> faults.add("not signed: " + file));
    if (!faults.isEmpty()) {
      throw new CorruptFileException(
          directory, "not what was signed by " + signature + ": " + String.join(", ", faults));
    }
    return new SignedDirectory(statement.name(), statement.sha256());
  }

  /** All files below a directory by their paths in it, but for ignored ones; no links. */
  private static SequencedMap<String, Path> files(Path directory, List<String> ignored)
      throws IOException {
    SequencedMap<String, Path> files = new TreeMap<>(ModelStatement.BY_PATH);
    try (Stream<Path> found = Files.walk(directory)) {
      for (Path path : (Iterable<Path>) found::iterator) {
        String relative = relative(directory, path);
        boolean skipped =
            ignored.stream()
                .anyMatch(name -> relative.equals(name) || relative.startsWith(name + "/"));
        if (skipped || Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
          continue;
        }
        if (!Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
          throw new CorruptFileException(
              path, "expected plain files and directories, found a link or a special file");
        }
        files.put(relative, path);
      }
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
    return files;
  }

  private static String relative(Path directory, Path path) {
    return directory.relativize(path).toString().replace('\\', '/');
  }
}
