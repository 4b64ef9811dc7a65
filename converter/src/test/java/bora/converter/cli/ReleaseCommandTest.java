package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.Sha256;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TimeZone;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.cyclonedx.Version;
import org.cyclonedx.parsers.JsonParser;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A release of three budgets, and everything that can be wrong with one. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ReleaseCommandTest {
  private static final Path CHECKPOINT = CommandLineRun.geometry("three-experts");
  private static final List<String> BUDGETS = List.of("12.0", "10.0", "9.0");

  private Path directory;
  private List<Path> packs;
  private Path key;
  private Path publicKey;
  private Path released;
  private CommandLineRun release;

  @BeforeAll
  void buildsAndReleasesThreeBudgets(@TempDir Path temporary) throws Exception {
    directory = temporary;
    List<Object> build = new ArrayList<>(List.of("build", CHECKPOINT, "--profile", "fast"));
    BUDGETS.forEach(bits -> build.addAll(List.of("--bits", bits)));
    build.addAll(List.of("-o", directory.resolve("packs")));
    CommandLineRun run = CommandLineRun.of(build.toArray());
    assertEquals(0, run.exitCode(), run.err());
    packs =
        BUDGETS.stream()
            .map(bits -> directory.resolve("packs/three-experts-" + bits + "bpw.bora"))
            .toList();
    KeyFiles keys = KeyFiles.in(directory);
    key = keys.secret();
    publicKey = keys.open();
    released = directory.resolve("released");
    release = release(packs, released, "--sign", key, "--oci", "--archive", "tar.zst", "--json");
    assertEquals(0, release.exitCode(), release.err());
  }

  private static CommandLineRun release(List<Path> packs, Path out, Object... options) {
    List<Object> arguments = new ArrayList<>(List.of("release"));
    arguments.addAll(packs);
    arguments.addAll(List.of("-o", out, "--license", "apache-2.0", "--language", "en"));
    arguments.addAll(List.of("--base-model", "owner/three-experts"));
    arguments.addAll(Arrays.asList(options));
    return CommandLineRun.of(arguments.toArray());
  }

  private static JsonNode json(String text) throws IOException {
    return new ObjectMapper().readTree(text);
  }

  private static Map<String, String> hashes(Path root) throws IOException {
    Map<String, String> hashes = new TreeMap<>();
    try (Stream<Path> files = Files.walk(root)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        hashes.put(root.relativize(file).toString(), Sha256.of(file, ProgressListener.NONE));
      }
    }
    return hashes;
  }

  @Test
  void theSummaryNamesEveryFileWithItsHash() throws IOException {
    JsonNode summary = json(release.out());
    Map<String, String> told = new TreeMap<>();
    summary.get("files").forEach(f -> told.put(f.get("name").asText(), f.get("sha256").asText()));
    assertEquals(hashes(released), told);
    assertEquals(BUDGETS.size(), summary.get("packs").size());
    assertEquals("three-experts", summary.get("name").asText());
  }

  @Test
  void theCardHasFrontMatterAndARowForEveryBudget() throws IOException {
    String card = Files.readString(released.resolve("README.md"));
    String[] parts = card.split("---\n", 3);
    assertEquals("", parts[0]);
    JsonNode front = new YAMLMapper().readTree(parts[1]);
    assertEquals("owner/three-experts", front.get("base_model").asText());
    assertEquals("quantized", front.get("base_model_relation").asText());
    assertEquals("apache-2.0", front.get("license").asText());
    assertEquals("text-generation", front.get("pipeline_tag").asText());
    assertEquals("en", front.get("language").get(0).asText());
    for (int i = 0; i < packs.size(); i++) {
      JsonNode metrics =
          json(Files.readString(
                  released.resolve("three-experts-" + BUDGETS.get(i) + "bpw.report.json")))
              .get("metrics");
      String row =
          card.lines().filter(line -> line.startsWith("| `three-experts-")).toList().get(i);
      assertTrue(row.contains(String.valueOf(Files.size(packs.get(i)))), row);
      String divergence = String.format(Locale.ROOT, "%.5f", metrics.get("kld.mean").doubleValue());
      assertTrue(row.contains(divergence), row);
    }
  }

  @Test
  void theBillOfMaterialsIsValidAndHasTheMetrics() throws IOException {
    byte[] bytes = Files.readAllBytes(released.resolve("bom.cdx.json"));
    assertEquals(List.of(), new JsonParser().validate(bytes, Version.VERSION_16));
    JsonNode component = json(new String(bytes, StandardCharsets.UTF_8)).get("components").get(0);
    assertEquals("machine-learning-model", component.get("type").asText());
    assertEquals(
        Sha256.of(packs.get(0), ProgressListener.NONE),
        component.get("hashes").get(0).get("content").asText());
    assertTrue(
        component
            .get("modelCard")
            .get("quantitativeAnalysis")
            .get("performanceMetrics")
            .findValuesAsText("type")
            .contains("kld.mean"));
    JsonNode checkpoint = component.get("pedigree").get("ancestors").get(0);
    assertTrue(checkpoint.findValuesAsText("name").contains("pytorch_model.bin"));
  }

  @Test
  void theSumsAreThoseOfTheFiles() throws IOException {
    Map<String, String> hashes = hashes(released);
    List<String> lines = Files.readAllLines(released.resolve("SHA256SUMS"));
    assertEquals(3 + 3 + 3, lines.size());
    for (String line : lines) {
      assertEquals(hashes.get(line.substring(66)), line.substring(0, 64), line);
    }
  }

  @Test
  void everyBlobOfTheLayoutHasTheDigestOfItsNameAndEveryFileIsALayer() throws IOException {
    Path blobs = released.resolve("oci/blobs/sha256");
    hashes(blobs).forEach((name, hash) -> assertEquals(name, hash));
    String digest = json(release.out()).get("ociManifest").asText().substring("sha256:".length());
    JsonNode manifest = json(Files.readString(blobs.resolve(digest)));
    Set<String> layers = Set.copyOf(manifest.findValuesAsText("org.cncf.model.filepath"));
    Set<String> files;
    try (Stream<Path> found = Files.list(released)) {
      files =
          found
              .map(file -> file.getFileName().toString())
              .filter(
                  name -> !List.of("oci", "release.sig", "three-experts.tar.zst").contains(name))
              .collect(Collectors.toSet());
    }
    assertEquals(files, layers);
  }

  @Test
  void oneFlippedByteInAnyFileIsNamed() throws IOException {
    assertEquals(0, CommandLineRun.of("verify-signature", released, "--key", publicKey).exitCode());
    for (String name : hashes(released).keySet()) {
      Path file = released.resolve(name);
      byte[] whole = Files.readAllBytes(file);
      byte[] changed = whole.clone();
      changed[changed.length / 2] ^= 4;
      Files.write(file, changed);
      CommandLineRun run = CommandLineRun.of("verify-signature", released, "--key", publicKey);
      Files.write(file, whole);
      assertEquals(3, run.exitCode(), name);
      assertTrue(run.err().contains(name), name + ": " + run.err());
    }
  }

  @Test
  void whatIsOutsideTheModelsSignatureHasToBeInTheOther() throws IOException {
    Path file = released.resolve("release.sig");
    byte[] signature = Files.readAllBytes(file);
    Files.delete(file);
    CommandLineRun run = CommandLineRun.of("verify-signature", released, "--key", publicKey);
    Files.write(file, signature);
    assertEquals(3, run.exitCode());
    assertTrue(run.err().contains("oci, three-experts.tar.zst"), run.err());
  }

  @Test
  void theSameInputsGiveTheSameBytesAnywhereInAnyTimeZone() throws IOException {
    TimeZone before = TimeZone.getDefault();
    Locale locale = Locale.getDefault();
    try {
      List<Map<String, String>> outcomes = new ArrayList<>();
      for (String zone : List.of("Pacific/Kiritimati", "America/Los_Angeles")) {
        TimeZone.setDefault(TimeZone.getTimeZone(zone));
        Locale.setDefault(zone.startsWith("A") ? Locale.forLanguageTag("ar") : Locale.GERMANY);
        Path place = Files.createDirectories(directory.resolve(zone + "/place"));
        List<Path> copies = new ArrayList<>();
        for (Path file :
            List.of(
                packs.get(0), packs.get(0).resolveSibling("three-experts-12.0bpw.report.json"))) {
          Files.copy(file, place.resolve(file.getFileName()));
        }
        copies.add(place.resolve(packs.get(0).getFileName()));
        for (String format : List.of("tar.zst", "tar.gz", "zip")) {
          CommandLineRun run =
              release(copies, place.resolve(format), "--sign", key, "--oci", "--archive", format);
          assertEquals(0, run.exitCode(), run.err());
        }
        Files.delete(copies.get(0));
        outcomes.add(hashes(place));
      }
      assertEquals(outcomes.get(0), outcomes.get(1));
    } finally {
      TimeZone.setDefault(before);
      Locale.setDefault(locale);
    }
  }

  @Test
  void aPackInShardsIsThatPack() throws IOException {
    Path out = directory.resolve("sharded");
    CommandLineRun run = release(packs.subList(0, 1), out, "--max-shard-size", "12000");
    assertEquals(0, run.exitCode(), run.err());
    ByteArrayOutputStream together = new ByteArrayOutputStream();
    List<Path> shards;
    try (Stream<Path> files = Files.list(out)) {
      shards = files.filter(file -> file.toString().endsWith(".bora")).sorted().toList();
    }
    assertTrue(shards.size() > 3, shards.toString());
    for (Path shard : shards) {
      assertTrue(Files.size(shard) <= 12_000, shard.toString());
      together.write(Files.readAllBytes(shard));
    }
    assertArrayEquals(Files.readAllBytes(packs.get(0)), together.toByteArray());
    for (Path shard : List.of(shards.get(0), shards.get(2))) {
      CommandLineRun whole = CommandLineRun.of("inspect", packs.get(0), "--json");
      assertEquals(whole.out(), CommandLineRun.of("inspect", shard, "--check", "--json").out());
    }
    assertEquals(
        0,
        CommandLineRun.of(
                "verify", shards.get(0), "--reference", CHECKPOINT.resolve("reference.safetensors"))
            .exitCode());
    // A sharded pack can be released again, cut otherwise.
    Path again = directory.resolve("again");
    assertEquals(0, release(List.of(shards.get(1)), again).exitCode());
    assertArrayEquals(
        Files.readAllBytes(packs.get(0)),
        Files.readAllBytes(again.resolve("three-experts-12.0bpw.bora")));
  }

  @Test
  void aDryRunTellsTheSizesAndWritesNothing() throws IOException {
    Path out = directory.resolve("dry");
    CommandLineRun run = release(packs, out, "--dry-run", "--json");
    assertEquals(0, run.exitCode(), run.err());
    assertFalse(Files.exists(out));
    for (JsonNode file : json(run.out()).get("files")) {
      Path written = released.resolve(file.get("name").asText());
      assertEquals(Files.size(written), file.get("bytes").asLong(), written.toString());
    }
  }

  private record Refusal(int exitCode, String message, List<Object> options) {
    static Arguments of(String name, int exitCode, String message, Object... options) {
      return Arguments.of(name, new Refusal(exitCode, message, List.of(options)));
    }
  }

  static Stream<Arguments> refusals() {
    return Stream.of(
        Refusal.of(
            "a directory that holds something", 3, "full: expected a new or empty", "-o", "full"),
        Refusal.of("a file in the directory's place", 3, "found a file", "-o", "file"),
        Refusal.of("no directory around", 3, "does not exist", "-o", "none/out"),
        Refusal.of("no report", 3, "no report of a verification", "unreported.bora"),
        Refusal.of("a report of other weights", 3, "about other weights", "misreported.bora"),
        Refusal.of("a failed gate", 1, "the verification failed", "failed.bora"),
        Refusal.of("no licence", 3, "it carries no licence file", "unlicensed"),
        Refusal.of("an unknown licence", 3, "such as apache-2.0, found mine", "--license", "mine"),
        Refusal.of(
            "two licences of one name",
            3,
            "another licence file has this name",
            "--license-file",
            "file",
            "--license-file",
            "file"),
        Refusal.of("a public key to sign", 3, "expected a private key", "--sign", "public.pem"),
        Refusal.of("no key", 3, "nokey.pem: no such file", "--sign", "nokey.pem"),
        Refusal.of("shards too small", 3, "cannot be cut so small", "--max-shard-size", "1000"),
        Refusal.of("an archive of another kind", 2, "tar.zst, tar.gz, zip", "--archive", "rar"),
        Refusal.of("a name that is none", 3, "expected letters", "--name", "a/b"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void refusals(String name, Refusal refusal) throws IOException {
    prepareForRefusals();
    List<Object> arguments = new ArrayList<>(List.of("release"));
    List<Object> options = new ArrayList<>(refusal.options());
    boolean licensed = !options.remove("unlicensed");
    Object first = options.isEmpty() ? "" : options.getFirst();
    if (first.toString().endsWith(".bora")) {
      arguments.add(directory.resolve(options.removeFirst().toString()));
    } else {
      arguments.add(packs.get(0));
    }
    if (licensed && !options.contains("--license")) {
      arguments.addAll(List.of("--license", "apache-2.0"));
    }
    boolean named = false;
    for (int i = 0; i < options.size(); i++) {
      boolean path =
          i > 0 && List.of("-o", "--sign", "--license-file").contains(options.get(i - 1));
      named |= options.get(i).equals("-o");
      arguments.add(path ? directory.resolve(options.get(i).toString()) : options.get(i));
    }
    if (!named) {
      arguments.addAll(List.of("-o", directory.resolve("refused")));
    }
    List<Path> before = content();
    CommandLineRun run = CommandLineRun.of(arguments.toArray());
    assertEquals(refusal.exitCode(), run.exitCode(), run.err());
    assertTrue(run.err().contains(refusal.message()), run.err());
    assertEquals(before, content(), "something was left behind");
  }

  private List<Path> content() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.sorted().toList();
    }
  }

  private void prepareForRefusals() throws IOException {
    if (Files.exists(directory.resolve("full"))) {
      return;
    }
    Files.writeString(Files.createDirectory(directory.resolve("full")).resolve("x"), "");
    Files.writeString(directory.resolve("file"), "");
    for (String name : List.of("unreported", "misreported", "failed")) {
      Files.copy(packs.get(0), directory.resolve(name + ".bora"));
    }
    Path report = packs.get(0).resolveSibling("three-experts-12.0bpw.report.json");
    Files.copy(
        packs.get(1).resolveSibling("three-experts-10.0bpw.report.json"),
        directory.resolve("misreported.report.json"));
    Files.writeString(
        directory.resolve("failed.report.json"),
        Files.readString(report).replaceFirst("\"pass\"", "\"fail\""));
  }
}
