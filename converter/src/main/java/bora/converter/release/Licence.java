package bora.converter.release;

import bora.formats.MismatchedArtifactException;
import bora.formats.SmallFile;
import bora.formats.pack.PackReader;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.cyclonedx.model.License;
import org.cyclonedx.model.LicenseChoice;
import org.cyclonedx.util.LicenseResolver;
import org.cyclonedx.util.LicenseResolver.LicenseEncoding;
import org.cyclonedx.util.LicenseResolver.LicenseTextSettings;

/**
 * Under what a model is released: what the packs carried along from their checkpoint, or what the
 * person who releases says.
 *
 * @param spdxId by SPDX; empty where none is known and that was allowed
 * @param files licence and notice files by name
 */
record Licence(Optional<String> spdxId, SortedMap<String, byte[]> files) {
  private static final String LICENCE_FILE = "LICENSE";
  private static final int MAX_BYTES = 1 << 20;

  /** How the texts begin that models commonly come with, once white space is levelled. */
  private static final Map<String, String> OPENINGS =
      Map.of(
          "apache license version 2.0", "Apache-2.0",
          "mit license", "MIT");

  static Licence of(ReleaseRequest.LicenceRequest request, List<PackReader> packs)
      throws IOException {
    SortedMap<String, byte[]> files =
        request.files().isEmpty() ? carried(packs) : given(request.files());
    Optional<String> id = Optional.empty();
    if (request.id().isPresent()) {
      License known = resolve(request.id().get());
      id = Optional.of(known.getId());
      if (!hasLicence(files)) {
        files.put(
            LICENCE_FILE, known.getAttachmentText().getText().getBytes(StandardCharsets.UTF_8));
      }
    } else if (hasLicence(files)) {
      id = recognise(files);
    }
    if (id.isEmpty() && !request.allowMissing()) {
      throw new MismatchedArtifactException(
          packs.getFirst().path(),
          hasLicence(files)
              ? "its licence is none that is known by its text; name it by --license ID (SPDX)"
              : "it carries no licence file; name the model's licence by --license ID (SPDX), its"
                  + " text by --license-file, or release without by --allow-missing-license");
    }
    return new Licence(id, files);
  }

  private static boolean hasLicence(Map<String, byte[]> files) {
    return files.keySet().stream().anyMatch(name -> name.startsWith(LICENCE_FILE));
  }

  private static SortedMap<String, byte[]> carried(List<PackReader> packs)
      throws MismatchedArtifactException {
    SortedMap<String, byte[]> files = new TreeMap<>();
    for (PackReader pack : packs) {
      for (String name : pack.manifest().attachments().keySet()) {
        if (name.startsWith(LICENCE_FILE) || name.startsWith("NOTICE")) {
          byte[] bytes = pack.attachment(name).orElseThrow().toArray(ValueLayout.JAVA_BYTE);
          byte[] other = files.putIfAbsent(name, bytes);
          if (other != null && !Arrays.equals(other, bytes)) {
            throw new MismatchedArtifactException(
                pack.path(),
                "its "
                    + name
                    + " is not that of the other packs; release them apart, or name the one that"
                    + " holds by --license-file");
          }
        }
      }
    }
    return files;
  }

  private static SortedMap<String, byte[]> given(List<Path> paths) throws IOException {
    SortedMap<String, byte[]> files = new TreeMap<>();
    for (Path path : paths) {
      String name = path.getFileName().toString();
      if (files.put(name, SmallFile.read(path, MAX_BYTES)) != null) {
        throw new MismatchedArtifactException(
            path, "another licence file has this name; rename one of them");
      }
    }
    if (!hasLicence(files)) {
      // Whatever it was called, the hub and people look for this name.
      Path first = paths.getFirst();
      files.put(LICENCE_FILE, files.remove(first.getFileName().toString()));
    }
    return files;
  }

  private static Optional<String> recognise(Map<String, byte[]> files) {
    return files.entrySet().stream()
        .filter(file -> file.getKey().startsWith(LICENCE_FILE))
        .flatMap(
            file -> {
              String opening =
                  new String(file.getValue(), StandardCharsets.UTF_8)
                      .strip()
                      .replaceAll("\\s+", " ")
                      .toLowerCase(Locale.ROOT);
              return OPENINGS.entrySet().stream()
                  .filter(known -> opening.startsWith(known.getKey()))
                  .map(Map.Entry::getValue);
            })
        .findFirst();
  }

  private static License resolve(String id) throws IOException {
    LicenseChoice choice =
        LicenseResolver.resolve(id, new LicenseTextSettings(true, LicenseEncoding.NONE));
    List<License> found =
        choice == null || choice.getLicenses() == null ? List.of() : choice.getLicenses();
    if (found.size() != 1
        || found.getFirst().getId() == null
        || !found.getFirst().getId().equalsIgnoreCase(id)) {
      throw new IOException(
          "--license: expected the identifier of a licence by SPDX, such as apache-2.0, found "
              + id);
    }
    return found.getFirst();
  }

  /** As the hub writes it. */
  Optional<String> hubId() {
    return spdxId.map(id -> id.toLowerCase(Locale.ROOT));
  }
}
