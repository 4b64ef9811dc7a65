package bora.converter.release;

import bora.formats.pack.ShardName;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/** How a release and its packs are called: {@code Mixtral-8x7B-v0.1-4.5bpw.bora}. */
public final class ReleaseName {
  private static final Pattern BUDGET = Pattern.compile("-[0-9]+(\\.[0-9]+)?bpw$");
  private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,95}");

  private ReleaseName() {}

  /** What of a pack's name tells its budget: {@code 4.5bpw}. */
  public static String budget(double bitsPerWeight) {
    return bitsPerWeight + "bpw";
  }

  /** The name of a model's pack of a budget or policy. */
  public static String ofPack(String model, String budget) {
    return model + "-" + budget + ShardName.ENDING;
  }

  /** A text as part of a file's name: what is not plain becomes a dash. */
  public static String plain(String text) {
    return text.replaceAll("[^A-Za-z0-9._-]+", "-");
  }

  /**
   * The name given, else what the packs' names are without their budgets.
   *
   * @throws IOException when they differ, or the name is none for files
   */
  static String of(Optional<String> given, List<String> stems) throws IOException {
    List<String> models =
        given.isPresent()
            ? List.of(given.get())
            : stems.stream().map(stem -> BUDGET.matcher(stem).replaceFirst("")).distinct().toList();
    if (models.size() > 1) {
      throw new IOException(
          "the release needs a name, for its packs are of several: "
              + String.join(", ", models)
              + "; give it by --name");
    }
    if (!PLAIN.matcher(models.getFirst()).matches()) {
      throw new IOException(
          "name of the release: expected letters, digits, dots, dashes and underscores, found "
              + models.getFirst());
    }
    return models.getFirst();
  }
}
