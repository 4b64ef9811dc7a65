package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import bora.quantizer.calibration.MomentsSource;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ChannelFoldsTest {
  private static final ModelConfig CONFIG = TestWeights.config(Architecture.MIXTRAL, 1, 4);

  private final Map<TensorKey, float[]> weights = new HashMap<>();

  ChannelFoldsTest() {
    Random random = new Random(3);
    for (Map.Entry<TensorKey, TensorShape> tensor : CONFIG.tensors().entrySet()) {
      float[] values = new float[Math.toIntExact(tensor.getValue().elementCount())];
      for (int i = 0; i < values.length; i++) {
        values[i] =
            (float)
                (tensor.getKey().role().isNorm()
                    ? 0.5 + random.nextFloat()
                    : random.nextGaussian());
      }
      weights.put(tensor.getKey(), values);
    }
  }

  private WeightSource source(TensorKey key) {
    TensorShape shape = CONFIG.tensors().get(key);
    return new SampledMatrix(key, shape, weights.get(key).clone());
  }

  private float[] folded(TensorKey key) throws IOException {
    FoldedModel model = new FoldedModel(CONFIG, this::source, MomentsSource.NONE);
    float[] values = new float[weights.get(key).length];
    WeightSource source = model.weights(key);
    source.readRows(0, source.shape().rows(), values, 0);
    return values;
  }

  private void scaleColumn(TensorKey key, int column, int exponent) {
    float[] values = weights.get(key);
    int columns = CONFIG.tensors().get(key).columns();
    for (int at = column; at < values.length; at += columns) {
      values[at] = Math.scalb(values[at], exponent);
    }
  }

  private void scaleRow(TensorKey key, int row, int exponent) {
    float[] values = weights.get(key);
    int columns = CONFIG.tensors().get(key).columns();
    for (int at = row * columns; at < (row + 1) * columns; at++) {
      values[at] = Math.scalb(values[at], exponent);
    }
  }

  /** Makes channels louder and quieter in every way that leaves the function as it is. */
  private void rescale() {
    TensorKey attentionNorm = TensorKey.ofLayer(0, TensorRole.ATTENTION_NORM);
    scaleColumn(attentionNorm, 5, 6);
    for (TensorRole role : new TensorRole[] {TensorRole.QUERY, TensorRole.KEY, TensorRole.VALUE}) {
      scaleColumn(TensorKey.ofLayer(0, role), 5, -6);
    }
    scaleRow(TensorKey.ofLayer(0, TensorRole.VALUE), 7, 4);
    for (int head = 0; head < CONFIG.headCount(); head++) {
      int column = head * CONFIG.headDim() + 7;
      scaleColumn(TensorKey.ofLayer(0, TensorRole.ATTENTION_OUTPUT), column, -4);
    }
    scaleColumn(TensorKey.ofLayer(0, TensorRole.FEED_FORWARD_NORM), 11, 5);
    scaleColumn(TensorKey.ofLayer(0, TensorRole.ROUTER), 11, -5);
    for (int expert = 0; expert < CONFIG.expertCount(); expert++) {
      scaleColumn(TensorKey.ofExpert(0, expert, TensorRole.EXPERT_GATE), 11, -5);
      scaleColumn(TensorKey.ofExpert(0, expert, TensorRole.EXPERT_UP), 11, -5);
    }
    for (int channel = 0; channel < CONFIG.intermediateSize(); channel++) {
      scaleRow(TensorKey.ofExpert(0, 2, TensorRole.EXPERT_UP), channel, 3 + channel % 4);
      scaleColumn(TensorKey.ofExpert(0, 2, TensorRole.EXPERT_DOWN), channel, -3 - channel % 4);
    }
  }

  @Test
  void foldedWeightsDoNotDependOnHowChannelsWereScaled() throws IOException {
    Map<TensorKey, float[]> before = new HashMap<>();
    for (TensorKey key : CONFIG.tensors().keySet()) {
      before.put(key, folded(key));
    }
    rescale();
    for (TensorKey key : CONFIG.tensors().keySet()) {
      assertArrayEquals(before.get(key), folded(key), key.toString());
    }
  }

  @Test
  void whatAColumnGainsItsNormLoses() throws IOException {
    rescale();
    TensorKey norm = TensorKey.ofLayer(0, TensorRole.FEED_FORWARD_NORM);
    float[] foldedNorm = folded(norm);
    assertNotEquals(weights.get(norm)[11], foldedNorm[11]);
    for (TensorRole role : new TensorRole[] {TensorRole.ROUTER, TensorRole.EXPERT_GATE}) {
      TensorKey key =
          role == TensorRole.ROUTER ? TensorKey.ofLayer(0, role) : TensorKey.ofExpert(0, 1, role);
      float[] foldedReader = folded(key);
      for (int column = 0; column < CONFIG.hiddenSize(); column++) {
        assertEquals(
            weights.get(norm)[column] * weights.get(key)[column],
            foldedNorm[column] * foldedReader[column],
            key + " column " + column);
      }
    }
  }

  @Test
  void leavesAChannelAloneWhoseFoldWouldLoseBits() throws IOException {
    TensorKey router = TensorKey.ofLayer(0, TensorRole.ROUTER);
    TensorKey norm = TensorKey.ofLayer(0, TensorRole.FEED_FORWARD_NORM);
    weights.get(router)[9] = Float.MIN_NORMAL;
    scaleColumn(TensorKey.ofExpert(0, 0, TensorRole.EXPERT_GATE), 9, 20);
    assertEquals(weights.get(norm)[9], folded(norm)[9]);
    assertEquals(Float.MIN_NORMAL, folded(router)[9]);
  }
}
