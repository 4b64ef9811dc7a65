package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples for pipelines and clusters, run as they are. */
class ExampleScriptsTest {
  private static final Path PIPELINE = CommandLineRun.example("pipeline");
  private static final Path CLUSTER = CommandLineRun.example("cluster");

  @TempDir private Path directory;
  private Path bora;

  @BeforeEach
  void writesALauncher() throws IOException {
    bora = directory.resolve("bora");
    Files.writeString(
        bora,
        """
        #!/bin/sh
        exec '%s' -XX:+UseSerialGC -XX:-UsePerfData -Xmx512m \\
          --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED -cp '%s' %s "$@"
        """
            .formatted(
                Path.of(System.getProperty("java.home"), "bin", "java"),
                System.getProperty("java.class.path"),
                Main.class.getName()));
    assertTrue(bora.toFile().setExecutable(true));
  }

  private int run(Map<String, Object> environment, Object... command)
      throws IOException, InterruptedException {
    List<String> words = new ArrayList<>();
    for (Object word : command) {
      words.add(word.toString());
    }
    ProcessBuilder builder = new ProcessBuilder(words).directory(directory.toFile());
    environment.forEach((name, value) -> builder.environment().put(name, value.toString()));
    builder.environment().put("BORA", bora.toString());
    return builder
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
        .start()
        .waitFor();
  }

  private Path log() {
    return directory.resolve("log");
  }

  @Test
  void thePipelineBuildsVerifiesReleasesAndChecksTheSignature() throws Exception {
    KeyFiles keys = KeyFiles.in(directory);
    Path out = directory.resolve("out");
    Map<String, Object> environment =
        Map.of(
            "CHECKPOINT", CommandLineRun.geometry("odd-widths"),
            "OUT", out,
            "BITS", "8",
            "PROFILE", "fast",
            "LICENSE", "apache-2.0",
            "BASE_MODEL", "owner/odd-widths",
            "SIGN_KEY", keys.secret(),
            "VERIFY_KEY", keys.open(),
            "SOURCE_DATE_EPOCH", "1700000000");
    int exitCode = run(environment, PIPELINE.resolve("release.sh"));
    assertEquals(0, exitCode, Files.readString(log()));
    JsonNode summary = new ObjectMapper().readTree(out.resolve("release.json").toFile());
    assertEquals(1, summary.get("packs").size());
    for (JsonNode file : summary.get("files")) {
      Path written = out.resolve("release").resolve(file.get("name").asText());
      assertEquals(file.get("bytes").asLong(), Files.size(written));
    }
    // A second run finds the release and leaves it.
    assertEquals(3, run(environment, PIPELINE.resolve("release.sh")));
    assertTrue(Files.readString(log()).contains("expected a new or empty directory"));
  }

  @Test
  void qualityIsNotMeasuredOnTheTextOfTheCalibration() throws Exception {
    Path text = Files.writeString(directory.resolve("text"), "one text");
    Map<String, Object> environment =
        Map.of(
            "CHECKPOINT", CommandLineRun.example("tiny-mistral"),
            "OUT", directory.resolve("out"),
            "SIZES", "2MB",
            "CALIBRATION_TEXT", text,
            "EVALUATION_TEXT", Files.copy(text, directory.resolve("copy")));
    assertEquals(2, run(environment, PIPELINE.resolve("quality.sh")));
    assertTrue(Files.readString(log()).contains("expected different texts"));
  }

  @Test
  void theWorkflowRunsThePipeline() throws IOException {
    JsonNode workflow = new YAMLMapper().readTree(PIPELINE.resolve("release.yml").toFile());
    String script = Files.readString(PIPELINE.resolve("release.sh"));
    JsonNode steps = workflow.get("jobs").get("release").get("steps");
    List<String> runs = steps.findValuesAsText("run");
    assertTrue(runs.stream().anyMatch(run -> run.contains("examples/pipeline/release.sh")));
    for (JsonNode step : steps) {
      if (step.path("run").asText().contains("release.sh")) {
        step.get("env")
            .fieldNames()
            .forEachRemaining(
                name -> assertTrue(script.contains(name) || name.equals("SIGNING_KEY"), name));
      }
    }
  }

  @Test
  void aBatchEngineRunsTheParts() throws Exception {
    boolean gnu =
        Files.isExecutable(Path.of("/usr/bin/parallel"))
            && run(Map.of(), "/usr/bin/parallel", "--minversion", "1") == 0;
    assumeTrue(gnu, "no GNU parallel here (Debian's package parallel has it)");
    Path checkpoint = CommandLineRun.example("tiny-mistral");
    Path plan = directory.resolve("plan.json");
    Path alone = directory.resolve("alone.bora");
    Path out = directory.resolve("out.bora");
    assertEquals(0, CommandLineRun.of("plan", checkpoint, "--policy", "q6", "-o", plan).exitCode());
    assertEquals(
        0, CommandLineRun.of("convert", checkpoint, "--plan", plan, "-o", alone).exitCode());
    // What Slurm sets for the tasks of an array, by parallel; the script is bash's.
    int exitCode =
        run(
            Map.of("CHECKPOINT", checkpoint, "PLAN", plan, "OUT", out),
            "/usr/bin/parallel",
            "--jobs",
            "2",
            "SLURM_ARRAY_TASK_MAX=3 SLURM_ARRAY_TASK_ID={} " + CLUSTER.resolve("slurm-array.sh"),
            ":::",
            "1",
            "2",
            "3");
    assertEquals(0, exitCode, Files.readString(log()));
    CommandLineRun join = CommandLineRun.of("join", checkpoint, "--plan", plan, "-o", out);
    assertEquals(0, join.exitCode(), join.err());
    assertEquals(-1, Files.mismatch(alone, out));
  }

  @Test
  void theIndexedJobRunsTheSameCommand() throws IOException {
    JsonNode job = new YAMLMapper().readTree(CLUSTER.resolve("kubernetes-job.yaml").toFile());
    JsonNode spec = job.get("spec");
    assertEquals("Indexed", spec.get("completionMode").asText());
    String command =
        spec.get("template").get("spec").get("containers").get(0).get("command").get(2).asText();
    String part = "--part \"$((JOB_COMPLETION_INDEX + 1))/" + spec.get("completions").asInt();
    assertTrue(command.contains(part), command);
    assertTrue(command.contains("bora convert") && command.contains("--resume"), command);
    assertFalse(command.contains("\n"), command);
  }
}
