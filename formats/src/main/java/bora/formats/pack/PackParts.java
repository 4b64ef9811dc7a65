package bora.formats.pack;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.Sha256;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** All parts of a pack, to be joined. Owns their mappings. */
public final class PackParts implements AutoCloseable {
  private static final Pattern COUNT = Pattern.compile(".*\\.part-[0-9]{5}-of-(?!00000)([0-9]{5})");

  /** One part, its file and what its journal tells. */
  private record Part(LayoutPart place, MappedFile file, JournalContent journal) {}

  private final List<Part> parts;
  private final Map<TensorKey, Part> holders = new HashMap<>();

  private PackParts(List<Part> parts) {
    this.parts = parts;
    parts.forEach(part -> part.place().tensors().forEach(key -> holders.put(key, part)));
  }

  static Path journalOf(Path part) {
    return part.resolveSibling(part.getFileName() + ".journal");
  }

  /**
   * Whether a part is there, whole, and of this work.
   *
   * @param out the pack that it is of
   */
  public static boolean isDone(Path out, LayoutPart part, String work) throws IOException {
    Path file = part.file(out);
    if (!Files.isRegularFile(file) || Files.size(file) != part.lengthBytes()) {
      return false;
    }
    return JournalContent.read(journalOf(file), part.identity(work)).isPresent();
  }

  /**
   * Opens the parts that lie beside a pack's name.
   *
   * @param work as the parts' writers were given it
   * @throws NoSuchFileException when a part is missing
   * @throws bora.formats.MismatchedArtifactException when a part is of other work
   */
  public static PackParts open(Path out, PackLayout layout, String work) throws IOException {
    int count = count(out);
    List<LayoutPart> places = new ArrayList<>();
    List<Path> files = new ArrayList<>();
    for (int number = 1; number <= count; number++) {
      LayoutPart place = LayoutPart.of(layout, number, count);
      places.add(place);
      files.add(existing(place, place.file(out)));
    }
    return MappedFile.openAll(
        files,
        mapped -> {
          List<Part> parts = new ArrayList<>();
          for (int i = 0; i < count; i++) {
            parts.add(part(places.get(i), mapped.get(i), work));
          }
          return new PackParts(List.copyOf(parts));
        });
  }

  private static int count(Path out) throws IOException {
    TreeSet<Integer> counts = new TreeSet<>();
    Path directory = out.toAbsolutePath().getParent();
    String prefix = out.getFileName() + ".part-";
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
      for (Path file : files) {
        Matcher matcher = COUNT.matcher(file.getFileName().toString());
        if (matcher.matches() && file.getFileName().toString().startsWith(prefix)) {
          counts.add(Integer.parseInt(matcher.group(1)));
        }
      }
    }
    if (counts.size() != 1) {
      throw new NoSuchFileException(
          prefix + "*",
          null,
          counts.isEmpty()
              ? "no parts there; `bora convert --part K/N` makes them"
              : "expected the parts of one cut, found those of "
                  + counts
                  + "; remove all but the right ones");
    }
    return counts.first();
  }

  private static Path existing(LayoutPart place, Path file) throws NoSuchFileException {
    if (!Files.isRegularFile(file)) {
      throw new NoSuchFileException(
          file.toString(),
          null,
          "no such part; `bora convert --part "
              + place.number()
              + "/"
              + place.count()
              + "` makes it");
    }
    return file;
  }

  private static Part part(LayoutPart place, MappedFile file, String work) throws IOException {
    Path journal = journalOf(file.path());
    JournalContent content =
        JournalContent.read(journal, place.identity(work))
            .orElseThrow(
                () ->
                    new NoSuchFileException(
                        journal.toString(), null, "the part's journal is not there"));
    if (file.bytes().byteSize() != place.lengthBytes()) {
      throw new CorruptFileException(
          file.path(),
          "expected " + place.lengthBytes() + " bytes, found " + file.bytes().byteSize());
    }
    return new Part(place, file, content);
  }

  /**
   * The bytes of a tensor.
   *
   * @throws CorruptFileException when they are not those that were written
   */
  public MemorySegment tensor(TensorKey key) throws IOException {
    Part part = holders.get(key);
    if (part == null) {
      throw new IllegalArgumentException("the pack has no tensor " + key);
    }
    ByteRange range = part.place().inFile(part.place().layout().tensors().get(key));
    MemorySegment bytes = part.file().bytes().asSlice(range.offsetBytes(), range.lengthBytes());
    String expected = part.journal().tensor(key).map(Checksum::sha256).orElse("none");
    if (!Sha256.of(bytes).equals(expected)) {
      throw new CorruptFileException(
          part.file().path(), "damaged: " + key + "; remove the part and make it again");
    }
    return bytes;
  }

  /** The SHA-256 of a source file, which one of the parts took. */
  public Optional<String> source(String name) {
    return parts.stream().flatMap(part -> part.journal().source(name).stream()).findFirst();
  }

  @Override
  public void close() {
    parts.forEach(part -> part.file().close());
  }
}
