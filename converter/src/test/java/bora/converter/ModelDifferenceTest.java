package bora.converter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.converter.ModelDifference.TensorChange;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.TensorRole;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPolicy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ModelDifferenceTest {
  @TempDir private Path directory;

  private static Path example(String name) {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(root.resolve("examples"))) {
      root = root.getParent();
    }
    return root.resolve("examples").resolve(name);
  }

  private Path convert(String policy) throws IOException {
    Path out = directory.resolve(policy + ".bora");
    try (Checkpoint checkpoint = Checkpoint.open(example("tiny-mixtral"))) {
      Conversion.run(
          checkpoint,
          Planner.plan(checkpoint, QuantizationPolicy.named(policy), ProgressListener.NONE),
          Optional.empty(),
          out,
          2,
          Conversion.Leftover.DISCARD,
          ProgressListener.NONE);
    }
    return out;
  }

  @Test
  void findsNothingBetweenAModelAndItself() throws IOException {
    Path checkpoint = example("tiny-mixtral");
    AtomicLong heard = new AtomicLong();
    ModelDifference difference = ModelDifference.of(checkpoint, checkpoint, heard::addAndGet);
    assertTrue(difference.isEmpty());
    assertEquals(7_315_200, heard.get());
  }

  @Test
  void tellsEncodingsBytesAndErrorsOfAPackAgainstItsCheckpoint() throws IOException {
    ModelDifference difference =
        ModelDifference.of(example("tiny-mixtral"), convert("q4"), ProgressListener.NONE);
    assertFalse(difference.isEmpty());
    assertEquals(List.of(), difference.config());
    assertEquals(List.of(), difference.onlyInFirst());
    for (TensorChange change : difference.tensors()) {
      double error = ModelDifference.relativeError(List.of(change));
      if (change.key().role().isExact()) {
        assertEquals(0, error);
      } else {
        assertEquals("bf16", change.firstEncoding());
        assertEquals("q4", change.secondEncoding());
        assertTrue(error > 0.001 && error < 0.03, change::toString);
        assertTrue(change.secondBytes() < change.firstBytes());
      }
    }
    assertEquals(3, difference.expert(1, 4).size());
  }

  @Test
  void tellsTensorsThatOneSideLacksAndConfigsThatDiffer() throws IOException {
    ModelDifference difference =
        ModelDifference.of(example("tiny-mixtral"), example("tiny-mistral"), ProgressListener.NONE);
    assertTrue(difference.onlyInFirst().stream().anyMatch(key -> key.role() == TensorRole.ROUTER));
    assertTrue(difference.config().stream().anyMatch(field -> field.name().equals("expertCount")));
  }
}
