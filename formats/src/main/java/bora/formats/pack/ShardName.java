package bora.formats.pack;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The name of one of the files that a pack is split into: {@code NAME-00002-of-00003.bora}.
 *
 * @param number from 1
 */
public record ShardName(String stem, int number, int count) {
  /** The ending of a pack's name. */
  public static final String ENDING = ".bora";

  private static final Pattern FORM =
      Pattern.compile("(.+)-([0-9]{5})-of-([0-9]{5})" + Pattern.quote(ENDING));

  /** The name, if it is that of a shard. */
  public static Optional<ShardName> of(Path file) {
    Matcher matcher = FORM.matcher(String.valueOf(file.getFileName()));
    if (!matcher.matches()) {
      return Optional.empty();
    }
    int number = Integer.parseInt(matcher.group(2));
    int count = Integer.parseInt(matcher.group(3));
    return number >= 1 && number <= count
        ? Optional.of(new ShardName(matcher.group(1), number, count))
        : Optional.empty();
  }

  /** A pack's name without the ending, and without what tells a shard from the others. */
  public static String stemOf(Path pack) {
    String name = String.valueOf(pack.getFileName());
    return of(pack)
        .map(ShardName::stem)
        .orElse(name.endsWith(ENDING) ? name.substring(0, name.length() - ENDING.length()) : name);
  }

  /** The names of all shards of a pack, in order; of one alone the pack's own name. */
  public static List<String> all(String stem, int count) {
    if (count == 1) {
      return List.of(stem + ENDING);
    }
    List<String> names = new ArrayList<>();
    for (int number = 1; number <= count; number++) {
      names.add(new ShardName(stem, number, count).toString());
    }
    return names;
  }

  @Override
  public String toString() {
    return String.format(Locale.ROOT, "%s-%05d-of-%05d%s", stem, number, count, ENDING);
  }
}
