package bora.converter.release;

import bora.converter.ToolVersion;
import bora.formats.pack.Provenance;
import bora.quantizer.calibration.CalibrationSource;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.SequencedSet;
import java.util.stream.Collectors;

/** The {@code README.md} of a release: front matter that the hub understands, then for people. */
final class ModelCard {
  private static final YAMLMapper YAML =
      YAMLMapper.builder()
          .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
          .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
          .build();

  private static final List<Long> CONTEXTS = List.of(4096L, 8192L, 32_768L);
  private static final String UNKNOWN = "-";

  private final String name;
  private final List<ReleasedPack> packs;
  private final Licence licence;
  private final ReleaseRequest.Origin origin;
  private final Optional<CalibrationSource> calibration;

  ModelCard(
      String name,
      List<ReleasedPack> packs,
      Licence licence,
      ReleaseRequest.Origin origin,
      Optional<CalibrationSource> calibration) {
    this.name = name;
    this.packs = packs;
    this.licence = licence;
    this.origin = origin;
    this.calibration = calibration;
  }

  String write() {
    StringBuilder card = new StringBuilder();
    card.append("---\n").append(frontMatter()).append("---\n\n");
    card.append("# ").append(name).append("\n\n");
    card.append(introduction()).append('\n');
    card.append("## Budgets\n\n").append(budgets()).append('\n');
    card.append("## How to run it\n\n").append(howToRun()).append('\n');
    card.append("## How it was made\n\n").append(howItWasMade()).append('\n');
    card.append("## How to check it\n\n").append(howToCheck());
    return card.toString();
  }

  private String frontMatter() {
    SequencedMap<String, Object> fields = new LinkedHashMap<>();
    fields.put("base_model", baseModel());
    fields.put("base_model_relation", "quantized");
    licence.hubId().ifPresent(id -> fields.put("license", id));
    if (!origin.languages().isEmpty()) {
      fields.put("language", origin.languages());
    }
    fields.put("pipeline_tag", "text-generation");
    fields.put("library_name", "bora");
    fields.put("tags", List.of("bora", architecture(), "quantized", "mixed-precision"));
    if (!origin.datasets().isEmpty()) {
      fields.put("datasets", origin.datasets());
    }
    try {
      return YAML.writeValueAsString(fields);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a map of texts can always be written", e);
    }
  }

  private String baseModel() {
    return origin.baseModel().orElse(name);
  }

  private String architecture() {
    return first().pack().config().architecture().id();
  }

  private ReleasedPack first() {
    return packs.getFirst();
  }

  private String introduction() {
    return baseModel()
        + ", quantized by bora tensor by tensor"
        + (first().pack().config().expertCount() > 1
            ? ", every expert with an encoding of its own"
            : "")
        + ". The report of a file's verification lies beside it.\n";
  }

  private String budgets() {
    List<String> head =
        new ArrayList<>(
            List.of(
                "file",
                "bytes",
                "bits a weight",
                "KLD",
                "same top token",
                "perplexity",
                "router agreement",
                "verified"));
    CONTEXTS.forEach(context -> head.add("GPU memory, " + context / 1024 + "k"));
    StringBuilder table = new StringBuilder(line(head));
    table.append("|---".repeat(head.size())).append("|\n");
    packs.forEach(pack -> table.append(line(row(pack))));
    table.append(
        """

        KLD: mean KL divergence from the reference's predictions, in nats. Perplexity: this file's, in
        brackets the reference's on the same tokens. Router agreement: share of the routers' decisions
        that take the same experts. GPU memory: an estimate of weights, KV cache, activations and
        runtime for one sequence of so many tokens in bfloat16.
        """);
    return table.toString();
  }

  private static String line(List<String> cells) {
    return "| " + String.join(" | ", cells) + " |\n";
  }

  private List<String> row(ReleasedPack pack) {
    List<String> row = new ArrayList<>();
    row.add(pack.fileNames().stream().map(ModelCard::code).collect(Collectors.joining("<br>")));
    row.add(String.valueOf(pack.bytes()));
    row.add(format("%.3f", pack.bitsPerWeight()));
    row.add(number("%.5f", pack.metric("kld.mean")));
    row.add(percent(pack.metric("top1.agreement")));
    String reference = number("%.4f", pack.metric("perplexity.reference"));
    row.add(
        number("%.4f", pack.metric("perplexity"))
            + (reference.equals(UNKNOWN) ? "" : " (" + reference + ")"));
    row.add(percent(pack.metric("router.agreement")));
    row.add(
        pack.report()
            .map(report -> (report.passed() ? "passed: " : "FAILED: ") + report.gate())
            .orElse("no"));
    for (long context : CONTEXTS) {
      row.add(gigabytes(pack.memoryBytes(context)));
    }
    return row;
  }

  private String howToRun() {
    String file = first().fileNames().getFirst();
    return """
    With a JDK 25 and bora:

        bora chat %1$s
        bora generate %1$s --prompt "Once upon a time" -n 64
        bora estimate %1$s --context 8192
    """
        .formatted(file);
  }

  private String howItWasMade() {
    StringBuilder text = new StringBuilder();
    SequencedSet<String> tools = new java.util.LinkedHashSet<>();
    for (ReleasedPack pack : packs) {
      Provenance provenance = pack.pack().manifest().provenance();
      tools.add(provenance.toolVersion());
      text.append("- `").append(pack.stem()).append("`: plan `").append(provenance.planName());
      text.append("`, SHA-256 `").append(provenance.planSha256()).append('`');
      provenance
          .calibrationSha256()
          .ifPresent(hash -> text.append(", calibration SHA-256 `").append(hash).append('`'));
      pack.report()
          .ifPresent(
              report ->
                  text.append(", verified against `")
                      .append(report.reference())
                      .append("` on ")
                      .append(report.scoredPositions())
                      .append(" positions"));
      text.append('\n');
    }
    calibration.ifPresent(
        source ->
            text.append("- Calibration: ")
                .append(source.windows())
                .append(" windows of ")
                .append(source.windowTokens())
                .append(" tokens of a text with SHA-256 `")
                .append(source.textSha256())
                .append("`\n"));
    text.append("- Made by bora ").append(String.join(", ", tools));
    text.append(", released by bora ").append(ToolVersion.current()).append(".\n");
    text.append("- From these files of the checkpoint (SHA-256):\n\n");
    for (Provenance.Source source : first().pack().manifest().provenance().sources()) {
      text.append("      ").append(source.sha256()).append("  ").append(source.name()).append('\n');
    }
    return text.toString();
  }

  private static String howToCheck() {
    return """
    `SHA256SUMS` has the hash of every file (`sha256sum -c SHA256SUMS`). `bom.cdx.json` is a bill of
    materials by CycloneDX. Where there is a `model.sig`, it is a signature in the format of the
    OpenSSF's model signing:

        bora verify-signature . --key PUBLIC_KEY.pem
        model_signing verify key . --signature model.sig --public-key PUBLIC_KEY.pem
    """;
  }

  private static String code(String text) {
    return '`' + text + '`';
  }

  private static String number(String pattern, OptionalDouble value) {
    return value.isEmpty() ? UNKNOWN : format(pattern, value.getAsDouble());
  }

  private static String percent(OptionalDouble ratio) {
    return ratio.isEmpty() ? UNKNOWN : format("%.2f %%", 100 * ratio.getAsDouble());
  }

  private static String gigabytes(OptionalLong bytes) {
    return bytes.isEmpty() ? UNKNOWN : format("%.2f GB", bytes.getAsLong() / 1e9);
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
