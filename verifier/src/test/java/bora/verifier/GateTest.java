package bora.verifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class GateTest {
  @TempDir private Path directory;

  private Gate read(String json) throws IOException {
    return Gate.read(Files.writeString(directory.resolve("gate.json"), json));
  }

  @Test
  void readsEveryKindOfLimit() throws IOException {
    Gate gate =
        read(
            """
            {"name": "mine", "limits": {
              "kld.mean": {"atMost": 0.01},
              "top1.agreement": {"atLeast": 0.9, "minPositions": 100},
              "greedy.matched": {"sameAs": "greedy.length", "ifPresent": true}}}
            """);
    assertEquals("mine", gate.name());
    assertEquals(
        List.of(Metric.KLD_MEAN, Metric.TOP1_AGREEMENT, Metric.GREEDY_MATCHED),
        List.copyOf(gate.limits().keySet()));
    assertEquals(Limit.of(0.01), gate.limits().get(Metric.KLD_MEAN));
    assertEquals(Limit.of(0.9).from(100), gate.limits().get(Metric.TOP1_AGREEMENT));
  }

  @ParameterizedTest
  @ValueSource(strings = {"exact", "release-8-bit", "release-4-bit"})
  void readsTheExamples(String name) throws IOException {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(root.resolve("examples"))) {
      root = root.getParent();
    }
    Gate gate = Gate.read(root.resolve("examples").resolve("gates").resolve(name + ".json"));
    if (name.equals("exact")) {
      assertEquals(gate.limits(), Gate.exact().limits());
    }
    assertFalse(gate.limits().isEmpty());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{\"limits\": {\"kld.mean\": {\"atMost\": 1}}}",
        "{\"name\": \"x\", \"limits\": {}}",
        "{\"name\": \"x\", \"limits\": {\"kld.meam\": {\"atMost\": 1}}}",
        "{\"name\": \"x\", \"limits\": {\"kld.mean\": {\"atLeast\": 1}}}",
        "{\"name\": \"x\", \"limits\": {\"kld.mean\": {\"atMost\": \"1\"}}}",
        "{\"name\": \"x\", \"limits\": {\"kld.mean\": {\"atMost\": 1e999}}}",
        "{\"name\": \"x\", \"limits\": {\"kld.mean\": 1}}",
        "{\"name\": \"x\", \"limits\": {\"kld.mean\": {\"atMost\": 1, \"minPositions\": -1}}}",
        "{\"name\": \"x\", \"limits\": {\"kld.mean\": {\"atMost\": 1, \"sameAs\": \"kld.p99\"}}}",
        "{\"name\": \"x\", \"limit\": 1, \"limits\": {\"kld.mean\": {\"atMost\": 1}}}",
        "{\"name\": \"x\", \"limits\": {\"kld.mean\": {\"atMost\": 1}, \"kld.mean\": {\"atMost\":"
            + " 2}}}"
      })
  void rejectsMalformedGates(String json) {
    CorruptFileException thrown = assertThrows(CorruptFileException.class, () -> read(json));
    assertTrue(thrown.getMessage().contains("gate.json"), thrown.getMessage());
  }

  @Test
  void failsAnAbsentMetricUnlessItMayBeAbsent() throws IOException {
    String limits = "{\"name\": \"x\", \"limits\": {\"kld.mean\": {\"atMost\": 1%s}}}";
    Map<Metric, Double> metrics = Map.of(Metric.OUTPUTS_NON_FINITE, 0.0);
    Check check = Checks.of(read(limits.formatted("")), metrics, 10, Optional.empty()).getLast();
    assertEquals(Verdict.FAIL, check.verdict());
    assertFalse(check.where().isEmpty());
    Gate lenient = read(limits.formatted(", \"ifPresent\": true"));
    assertEquals(1, Checks.of(lenient, metrics, 10, Optional.empty()).size());
  }

  @Test
  void failsNaNOnEitherSide() {
    assertFalse(Gate.keeps(Metric.KLD_MEAN, Double.NaN, 1));
    assertFalse(Gate.keeps(Metric.TOP1_AGREEMENT, Double.NaN, 0));
  }

  @Test
  void failsValuesThatAreNotFiniteWhateverTheGate() {
    Gate gate = new Gate("none", new LinkedHashMap<>());
    List<Check> checks =
        Checks.of(gate, Map.of(Metric.OUTPUTS_NON_FINITE, 1.0), 10, Optional.empty());
    assertEquals(Verdict.FAIL, checks.getFirst().verdict());
  }
}
