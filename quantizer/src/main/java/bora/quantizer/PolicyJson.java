package bora.quantizer;

import bora.formats.CorruptFileException;
import bora.formats.encoding.Encoding;
import bora.formats.model.Architecture;
import bora.formats.model.TensorRole;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** Policies as JSON: the language of {@code docs/policies.md}. */
final class PolicyJson {
  /** Far more than any policy needs. */
  static final long MAX_BYTES = 1 << 20;

  private static final Map<String, Set<TensorRole>> ROLE_GROUPS =
      Map.of(
          "experts",
              EnumSet.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN),
          "attention",
              EnumSet.of(
                  TensorRole.QUERY,
                  TensorRole.KEY,
                  TensorRole.VALUE,
                  TensorRole.ATTENTION_OUTPUT));

  private PolicyJson() {}

  static QuantizationPolicy parse(JsonFields policy) throws CorruptFileException {
    policy.allowOnly("name", "rules", "default");
    List<PolicyRule> rules = new ArrayList<>();
    for (JsonFields rule : policy.objects("rules", "rule")) {
      rules.add(parseRule(rule));
    }
    return new QuantizationPolicy(
        policy.string("name"), policy.file(), rules, encoding(policy, "default"));
  }

  private static PolicyRule parseRule(JsonFields rule) throws CorruptFileException {
    rule.allowOnly(
        "roles",
        "architecture",
        "layers",
        "experts",
        "mostSensitivePercent",
        "sensitivityAboveMedian",
        "encoding");
    Optional<IndexRanges> layers = ranges(rule, "layers");
    Optional<IndexRanges> experts = ranges(rule, "experts");
    Optional<ExpertSelection> selection = selection(rule);
    Set<TensorRole> roles = roles(rule);
    if (rule.has("roles")) {
      if (layers.isPresent()) {
        requireScope(rule, "layers", roles, EnumSet.complementOf(EnumSet.of(TensorRole.Scope.MODEL)));
      }
      if (experts.isPresent() || selection.isPresent()) {
        String key = experts.isPresent() ? "experts" : "a sensitivity";
        requireScope(rule, key, roles, EnumSet.of(TensorRole.Scope.EXPERT));
      }
    }
    return new PolicyRule(
        roles, architecture(rule), layers, experts, selection, encoding(rule, "encoding"));
  }

  private static Set<TensorRole> roles(JsonFields rule) throws CorruptFileException {
    EnumSet<TensorRole> roles = EnumSet.noneOf(TensorRole.class);
    if (!rule.has("roles")) {
      Arrays.stream(TensorRole.values()).filter(role -> !role.isExact()).forEach(roles::add);
    } else {
      for (String id : rule.strings("roles")) {
        roles.addAll(rolesOf(rule, id));
      }
      if (roles.isEmpty()) {
        throw rule.problem("roles: expected at least one role, found none");
      }
    }
    return Collections.unmodifiableSet(roles);
  }

  private static Set<TensorRole> rolesOf(JsonFields rule, String id) throws CorruptFileException {
    if (ROLE_GROUPS.containsKey(id)) {
      return ROLE_GROUPS.get(id);
    }
    Optional<TensorRole> role =
        Arrays.stream(TensorRole.values()).filter(r -> r.id().equals(id)).findFirst();
    if (role.isPresent() && role.get().isExact()) {
      throw rule.problem(
          "roles: expected roles that are quantized, found "
              + id
              + "; norms and routers are always kept exactly");
    }
    return Set.of(
        role.orElseThrow(
            () ->
                rule.problem(
                    "roles: unknown role: expected one of " + roleNames() + ", found " + id)));
  }

  private static String roleNames() {
    return "experts, attention, "
        + Arrays.stream(TensorRole.values())
            .filter(role -> !role.isExact())
            .map(TensorRole::id)
            .collect(Collectors.joining(", "));
  }

  private static void requireScope(
      JsonFields rule, String key, Set<TensorRole> roles, Set<TensorRole.Scope> scopes)
      throws CorruptFileException {
    for (TensorRole role : roles) {
      if (!scopes.contains(role.scope())) {
        throw rule.problem(
            "can never match: expected roles that have "
                + (scopes.size() == 1 ? "experts" : "layers")
                + " beside "
                + key
                + ", found "
                + role.id());
      }
    }
  }

  private static Optional<Architecture> architecture(JsonFields rule) throws CorruptFileException {
    Optional<String> id = rule.optionalString("architecture");
    if (id.isEmpty()) {
      return Optional.empty();
    }
    List<String> known = Arrays.stream(Architecture.values()).map(Architecture::id).toList();
    int index = known.indexOf(id.get());
    if (index < 0) {
      throw rule.problem("architecture: expected one of " + known + ", found " + id.get());
    }
    return Optional.of(Architecture.values()[index]);
  }

  private static Optional<IndexRanges> ranges(JsonFields rule, String key)
      throws CorruptFileException {
    Optional<String> text = rule.optionalString(key);
    try {
      return text.map(IndexRanges::parse);
    } catch (IllegalArgumentException e) {
      throw rule.problem(key + ": " + e.getMessage());
    }
  }

  private static Optional<ExpertSelection> selection(JsonFields rule) throws CorruptFileException {
    boolean ranked = rule.has("mostSensitivePercent");
    boolean outstanding = rule.has("sensitivityAboveMedian");
    if (ranked && outstanding) {
      throw rule.problem(
          "expected one of mostSensitivePercent and sensitivityAboveMedian, found both");
    }
    if (ranked) {
      return Optional.of(
          new ExpertSelection.MostSensitive((int) rule.integer("mostSensitivePercent", 1, 100)));
    }
    if (outstanding) {
      return Optional.of(
          new ExpertSelection.AboveMedian(rule.number("sensitivityAboveMedian", 1)));
    }
    return Optional.empty();
  }

  private static Encoding encoding(JsonFields fields, String key) throws CorruptFileException {
    String name = fields.string(key);
    return Encoding.ofName(name)
        .orElseThrow(
            () ->
                fields.problem(
                    key
                        + ": unknown encoding: expected one of "
                        + Arrays.stream(Encoding.values()).map(Encoding::jsonName).toList()
                        + ", found "
                        + name));
  }
}
