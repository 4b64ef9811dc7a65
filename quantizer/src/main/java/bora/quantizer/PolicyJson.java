package bora.quantizer;

import bora.formats.CorruptFileException;
import bora.formats.encoding.Encoding;
import bora.formats.json.JsonFields;
import bora.formats.model.Architecture;
import bora.formats.model.TensorRole;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** Policies as JSON: the language of {@code docs/policies.md}. */
final class PolicyJson {
  /** Far more than any policy needs. */
  static final int MAX_BYTES = 1 << 20;

  private static final String ROLES = "roles";
  private static final String MOST_SENSITIVE_PERCENT = "mostSensitivePercent";
  private static final String SENSITIVITY_ABOVE_MEDIAN = "sensitivityAboveMedian";

  private static final Map<String, Set<TensorRole>> ROLE_GROUPS =
      Map.of(
          "experts",
          EnumSet.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN),
          "attention",
          EnumSet.of(
              TensorRole.QUERY, TensorRole.KEY, TensorRole.VALUE, TensorRole.ATTENTION_OUTPUT));

  private PolicyJson() {}

  static QuantizationPolicy parse(Path file, JsonNode root) throws CorruptFileException {
    JsonFields fields = JsonFields.of(file, root);
    String name = fields.text("name");
    if (name.isBlank()) {
      throw fields.wrong("name", "a name", "\"" + name + "\"");
    }
    List<PolicyRule> rules = new ArrayList<>();
    for (JsonFields rule : fields.objects("rules")) {
      rules.add(parseRule(rule));
    }
    Encoding otherwise = encoding(fields, "default");
    fields.refuseOthers();
    return new QuantizationPolicy(name, file, rules, otherwise);
  }

  private static PolicyRule parseRule(JsonFields fields) throws CorruptFileException {
    boolean namesRoles = fields.has(ROLES);
    PolicyRule rule =
        new PolicyRule(
            namesRoles ? roles(fields) : quantizedRoles(),
            architecture(fields),
            ranges(fields, "layers"),
            ranges(fields, "experts"),
            selection(fields),
            encoding(fields, "encoding"));
    fields.refuseOthers();
    if (namesRoles) {
      requireScopes(fields, rule);
    }
    return rule;
  }

  /** Refuses a named role that has no layers or experts in a rule about some of them. */
  private static void requireScopes(JsonFields fields, PolicyRule rule)
      throws CorruptFileException {
    boolean aboutExperts = rule.experts().isPresent() || rule.selection().isPresent();
    for (TensorRole role : rule.roles()) {
      if (aboutExperts && role.scope() != TensorRole.Scope.EXPERT) {
        throw fields.wrong(ROLES, "roles of experts in a rule about some experts", role.id());
      }
      if (rule.layers().isPresent() && role.scope() == TensorRole.Scope.MODEL) {
        throw fields.wrong(ROLES, "roles of layers in a rule about some layers", role.id());
      }
    }
  }

  private static Set<TensorRole> quantizedRoles() {
    EnumSet<TensorRole> roles = EnumSet.allOf(TensorRole.class);
    roles.removeIf(TensorRole::isExact);
    return Collections.unmodifiableSet(roles);
  }

  private static Set<TensorRole> roles(JsonFields fields) throws CorruptFileException {
    EnumSet<TensorRole> roles = EnumSet.noneOf(TensorRole.class);
    for (String id : fields.texts(ROLES)) {
      if (ROLE_GROUPS.containsKey(id)) {
        roles.addAll(ROLE_GROUPS.get(id));
      } else {
        roles.add(role(fields, id));
      }
    }
    if (roles.isEmpty()) {
      throw fields.wrong(ROLES, "at least one role", "none");
    }
    return Collections.unmodifiableSet(roles);
  }

  private static TensorRole role(JsonFields fields, String id) throws CorruptFileException {
    List<String> known = new ArrayList<>(new TreeSet<>(ROLE_GROUPS.keySet()));
    for (TensorRole role : TensorRole.values()) {
      if (role.id().equals(id)) {
        if (role.isExact()) {
          throw fields.wrong(
              ROLES,
              "roles that are quantized",
              id + "; norms and routers are always kept exactly");
        }
        return role;
      }
      if (!role.isExact()) {
        known.add(role.id());
      }
    }
    throw fields.wrong(ROLES, "some of " + known, id);
  }

  private static Optional<Architecture> architecture(JsonFields fields)
      throws CorruptFileException {
    if (!fields.has("architecture")) {
      return Optional.empty();
    }
    String id = fields.text("architecture");
    for (Architecture architecture : Architecture.values()) {
      if (architecture.id().equals(id)) {
        return Optional.of(architecture);
      }
    }
    List<String> known = Arrays.stream(Architecture.values()).map(Architecture::id).toList();
    throw fields.wrong("architecture", "one of " + known, id);
  }

  private static Optional<IndexRanges> ranges(JsonFields fields, String key)
      throws CorruptFileException {
    if (!fields.has(key)) {
      return Optional.empty();
    }
    String text = fields.text(key);
    return Optional.of(
        IndexRanges.parse(text)
            .orElseThrow(
                () ->
                    fields.wrong(
                        key, "ascending indices and ranges such as \"0-3,7,last\"", text)));
  }

  private static Optional<ExpertSelection> selection(JsonFields fields)
      throws CorruptFileException {
    boolean ranked = fields.has(MOST_SENSITIVE_PERCENT);
    boolean outstanding = fields.has(SENSITIVITY_ABOVE_MEDIAN);
    if (ranked && outstanding) {
      throw fields.wrong(
          MOST_SENSITIVE_PERCENT, "no other condition on sensitivity", SENSITIVITY_ABOVE_MEDIAN);
    }
    if (ranked) {
      long percent = fields.integer(MOST_SENSITIVE_PERCENT);
      if (percent < 1 || percent > 100) {
        throw fields.wrong(MOST_SENSITIVE_PERCENT, "1 to 100", percent);
      }
      return Optional.of(new ExpertSelection.MostSensitive((int) percent));
    }
    if (outstanding) {
      double times = fields.number(SENSITIVITY_ABOVE_MEDIAN);
      if (!(times >= 1 && Double.isFinite(times))) {
        throw fields.wrong(SENSITIVITY_ABOVE_MEDIAN, "a number of at least 1", times);
      }
      return Optional.of(new ExpertSelection.AboveMedian(times));
    }
    return Optional.empty();
  }

  private static Encoding encoding(JsonFields fields, String key) throws CorruptFileException {
    String name = fields.text(key);
    List<String> known = Arrays.stream(Encoding.values()).map(Encoding::jsonName).toList();
    return Encoding.ofName(name).orElseThrow(() -> fields.wrong(key, "one of " + known, name));
  }
}
