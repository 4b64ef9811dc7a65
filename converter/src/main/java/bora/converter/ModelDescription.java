package bora.converter;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.KnownModel;
import bora.formats.model.ModelConfig;
import bora.formats.pack.PackReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What can be said of a model without its weights.
 *
 * @param title the name or path that was given
 * @param weightBytes bytes of the encoded weights, known for a pack alone
 */
public record ModelDescription(
    String title, Kind kind, ModelConfig config, Optional<Long> weightBytes) {
  /** What was found under the name. */
  public enum Kind {
    PACK("pack"),
    CHECKPOINT("checkpoint"),
    CONFIG("config"),
    KNOWN_MODEL("name of a model");

    private final String label;

    Kind(String label) {
      this.label = label;
    }

    /** For messages. */
    public String label() {
      return label;
    }
  }

  /**
   * Finds out what a name means: a file or directory of that name, else a model built in.
   *
   * @throws IOException when it is none of these, or damaged
   */
  public static ModelDescription of(String name) throws IOException {
    Path path = Path.of(name);
    if (!Files.exists(path)) {
      return KnownModel.ofId(name)
          .map(m -> new ModelDescription(m.id(), Kind.KNOWN_MODEL, m.config(), Optional.empty()))
          .orElseThrow(() -> nothing(name));
    }
    if (PackReader.isPack(path)) {
      try (PackReader pack = PackReader.open(path)) {
        return new ModelDescription(
            name, Kind.PACK, pack.config(), Optional.of(pack.manifest().weightBytes()));
      }
    }
    if (name.endsWith(".json")) {
      return new ModelDescription(name, Kind.CONFIG, Checkpoint.readConfig(path), Optional.empty());
    }
    if (Checkpoint.isCheckpoint(path)) {
      return new ModelDescription(
          name, Kind.CHECKPOINT, Checkpoint.readConfig(path), Optional.empty());
    }
    try (PackReader pack = PackReader.open(path)) {
      throw new IllegalStateException(pack.path() + " opens without a pack's first bytes");
    }
  }

  private static NoSuchFileException nothing(String name) {
    return new NoSuchFileException(
        name,
        null,
        "no such file, and no model built in; those are "
            + Arrays.stream(KnownModel.values())
                .map(KnownModel::id)
                .collect(Collectors.joining(", ")));
  }
}
