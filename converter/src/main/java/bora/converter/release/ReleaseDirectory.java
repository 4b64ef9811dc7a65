package bora.converter.release;

import bora.converter.signing.SignedDirectory;
import bora.converter.signing.VerificationKey;
import bora.formats.CorruptFileException;
import bora.formats.ProgressListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * A directory of a signed release. {@code model.sig} covers the model's files, {@code release.sig}
 * these and what was made of them, archive and OCI layout; the latter is there where they are.
 */
public final class ReleaseDirectory {
  /** Covers the model's files and travels with them. */
  public static final String MODEL_SIGNATURE = "model.sig";

  static final String RELEASE_SIGNATURE = "release.sig";

  /** The OCI layout within a release. */
  public static final String OCI = "oci";

  private ReleaseDirectory() {}

  /**
   * Verifies the signatures and holds every file of the directory against them.
   *
   * @param progress told the bytes read
   * @throws CorruptFileException when a signature is not the key's, or naming every file that was
   *     changed, added or removed
   */
  public static SignedDirectory verify(
      Path directory, VerificationKey key, ProgressListener progress) throws IOException {
    Path outer = directory.resolve(RELEASE_SIGNATURE);
    if (Files.exists(outer)) {
      // It covers the inner signature's file too; whose statement then has to hold as well.
      SignedDirectory release = SignedDirectory.verify(directory, outer, key, progress);
      SignedDirectory.verify(
          directory, directory.resolve(MODEL_SIGNATURE), key, ProgressListener.NONE);
      return release;
    }
    SignedDirectory model =
        SignedDirectory.verify(directory, directory.resolve(MODEL_SIGNATURE), key, progress);
    requireAllSigned(directory, model);
    return model;
  }

  /** Without the outer signature nothing may be there that it would cover. */
  private static void requireAllSigned(Path directory, SignedDirectory model) throws IOException {
    TreeSet<String> known = new TreeSet<>();
    model.sha256().keySet().forEach(file -> known.add(file.split("/")[0]));
    known.add(MODEL_SIGNATURE);
    List<String> others = new ArrayList<>();
    try (Stream<Path> files = Files.list(directory)) {
      files
          .map(file -> file.getFileName().toString())
          .filter(name -> !known.contains(name) && !name.startsWith(".git"))
          .sorted()
          .forEach(others::add);
    }
    if (!others.isEmpty()) {
      throw new CorruptFileException(
          directory,
          "not signed, for " + RELEASE_SIGNATURE + " is missing: " + String.join(", ", others));
    }
  }
}
