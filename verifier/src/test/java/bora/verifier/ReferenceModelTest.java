package bora.verifier;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ReferenceModelTest {
  /** What float32 rounding of transformers amounts to, with a margin of some hundred. */
  private static final double LOGITS_MAX_ABS = 2e-3;

  private static final double LOGITS_NMSE = 1e-9;

  @ParameterizedTest
  @ValueSource(strings = {"tiny-mistral", "tiny-mixtral"})
  void computesWhatTransformersRecorded(String name) throws IOException {
    Path directory = Examples.directory(name);
    try (Checkpoint checkpoint = Checkpoint.open(directory);
        RecordedOutputs recorded =
            RecordedOutputs.open(directory.resolve("reference.safetensors"))) {
      ReferenceModel model = new ReferenceModel(WeightSource.of(checkpoint));
      LogitComparison logits = new LogitComparison();
      LayerComparisons layers =
          new LayerComparisons(
              model.config(), Gate.exact(), VerificationOptions.DEFAULT_NEAR_TIE_MARGIN);
      recorded.forEachSequence(
          (expected, scored) -> {
            SequenceOutputs found =
                NaiveCandidate.run(model, expected.tokens(), EnumSet.allOf(LayerOutput.class));
            ScoredSequence sequence = new FullSequence(expected, scored);
            logits.add(sequence, sequence.compare(found));
            sequence.compareLayers(found, layers);
          });
      Map<Metric, Double> metrics = new EnumMap<>(Metric.class);
      logits.putMetrics(metrics);
      layers.putMetrics(metrics);
      assertTrue(metrics.get(Metric.LOGITS_MAX_ABS) < LOGITS_MAX_ABS, metrics::toString);
      assertTrue(metrics.get(Metric.LOGITS_NMSE) < LOGITS_NMSE, metrics::toString);
      assertTrue(metrics.containsKey(Metric.HIDDEN_COSINE_MIN), metrics::toString);
      assertEquals(model.config().hasRouter(), metrics.containsKey(Metric.ROUTER_FLIPS));
      assertEquals(Optional.empty(), layers.firstFault());
      assertContinues(model, recorded.greedy().orElseThrow());
    }
  }

  /** Every recorded token is the most probable one after all tokens before it. */
  private static void assertContinues(ReferenceModel model, GreedyContinuation greedy)
      throws IOException {
    int[] tokens =
        IntStream.concat(Arrays.stream(greedy.prompt()), Arrays.stream(greedy.tokens())).toArray();
    PositionValues logits = NaiveCandidate.run(model, tokens, Set.of()).logits();
    for (int i = 0; i < greedy.tokens().length; i++) {
      int position = greedy.prompt().length + i - 1;
      assertEquals(greedy.tokens()[i], Ranking.largest(logits, position, 1)[0]);
    }
  }

  @Test
  void givesEachSequenceTheSameInAnyBatch() throws IOException {
    ReferenceModel model = new ReferenceModel(new RandomWeights(RandomWeights.MIXTRAL, 5));
    List<int[]> sequences = List.of(new int[] {1, 7, 9}, new int[] {1}, new int[] {1, 8, 7, 9, 3});
    List<SequenceOutputs> together = new ArrayList<>();
    model.outputs(
        sequences, EnumSet.allOf(LayerOutput.class), ProgressListener.NONE, together::add);
    for (int s = 0; s < sequences.size(); s++) {
      SequenceOutputs alone =
          NaiveCandidate.run(model, sequences.get(s), EnumSet.allOf(LayerOutput.class));
      assertArrayEquals(alone.logits().values(), together.get(s).logits().values());
      for (int i = 0; i < alone.hidden().size(); i++) {
        assertArrayEquals(alone.hidden().get(i).values(), together.get(s).hidden().get(i).values());
      }
    }
  }

  @Test
  void tellsOfEveryTensorOnce() throws IOException {
    ReferenceModel model = new ReferenceModel(new RandomWeights(RandomWeights.MIXTRAL, 5));
    AtomicLong tensors = new AtomicLong();
    model.outputs(
        List.of(new int[] {1, 2}),
        EnumSet.noneOf(LayerOutput.class),
        tensors::addAndGet,
        outputs -> assertTrue(outputs.hidden().isEmpty()));
    assertEquals(model.config().tensors().size(), tensors.get());
  }
}
