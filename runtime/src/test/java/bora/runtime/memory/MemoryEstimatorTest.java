package bora.runtime.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.model.ModelConfig;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MemoryEstimatorTest {
  static List<ModelConfig> geometries() {
    return List.of(
        Geometries.mistral7B(),
        Geometries.mixtral8x7B(),
        Geometries.sevenB(32, 1, OptionalInt.of(4096)),
        Geometries.shape(32768, 2048, 5632, 22, 32, 4, 64, 1, OptionalInt.empty()),
        Geometries.shape(256, 64, 128, 2, 4, 2, 16, 4, OptionalInt.empty()),
        Geometries.shape(32768, 6144, 16384, 56, 48, 8, 128, 8, OptionalInt.empty()));
  }

  private static MemoryRequest request(ModelConfig config, long context, int batch) {
    return MemoryRequest.unquantized(config, ActivationType.BF16, context, batch);
  }

  @ParameterizedTest
  @MethodSource("geometries")
  void doublingContextOrBatchNeverNeedsLess(ModelConfig config) {
    for (int batch = 1; batch <= 64; batch *= 2) {
      long previous = 0;
      for (long context = 1; context <= 131072; context *= 2) {
        long total = MemoryEstimator.estimate(request(config, context, batch)).total();
        long doubled = MemoryEstimator.estimate(request(config, context, 2 * batch)).total();
        assertTrue(total >= previous, config + " at " + batch + " x " + context);
        assertTrue(doubled >= total, config + " at " + 2 * batch + " x " + context);
        previous = total;
      }
    }
  }

  @ParameterizedTest
  @EnumSource(ActivationType.class)
  void everyPartIsCountedOnce(ActivationType dtype) {
    MemoryEstimate estimate =
        MemoryEstimator.estimate(
            MemoryRequest.unquantized(Geometries.mixtral8x7B(), dtype, 100, 3));
    long sum = 0;
    for (MemoryComponent component : MemoryComponent.values()) {
      sum += estimate.bytes(component);
    }
    assertEquals(estimate.total(), sum);
    assertEquals(
        2L * 32 * 8 * 128 * dtype.bytes() * 100 * 3, estimate.bytes(MemoryComponent.KV_CACHE));
    assertEquals(46_702_792_704L * dtype.bytes(), estimate.bytes(MemoryComponent.WEIGHTS));
  }

  @Test
  void packOfFewerBytesNeedsThatMuchLess() {
    ModelConfig config = Geometries.mistral7B();
    MemoryRequest whole = request(config, 2048, 1);
    MemoryRequest pack =
        new MemoryRequest(config, whole.weightBytes() / 4, ActivationType.BF16, 2048, 1);
    double saved = MemoryEstimator.estimate(whole).total() - MemoryEstimator.estimate(pack).total();
    double savedWeights = whole.weightBytes() - pack.weightBytes();
    // Segments of 20 MiB hold differently many small tensors; that moves the slack by less than 2
    // %.
    assertEquals(1, saved / savedWeights, 0.02);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 4095, 4096, 32768, 131072})
  void slidingWindowCapsTheCache(long context) {
    ModelConfig config = Geometries.sevenB(32, 1, OptionalInt.of(4096));
    assertEquals(
        131072 * Math.min(context, 4095),
        MemoryEstimator.estimate(request(config, context, 1)).bytes(MemoryComponent.KV_CACHE));
  }

  @ParameterizedTest
  @MethodSource("geometries")
  void maximalContextFitsAndOneMoreTokenDoesNot(ModelConfig config) {
    for (GpuSize gpu : GpuSize.DEFAULTS) {
      MemoryRequest template = request(config, 1, 1);
      OptionalLong context = MemoryEstimator.maxContext(template, gpu.bytes());
      if (context.isEmpty()) {
        assertFalse(MemoryEstimator.fits(template, gpu.bytes()));
        continue;
      }
      long longest = context.getAsLong();
      assertTrue(MemoryEstimator.fits(template.withContext(longest), gpu.bytes()));
      assertTrue(
          longest == config.maxPositionEmbeddings()
              || !MemoryEstimator.fits(template.withContext(longest + 1), gpu.bytes()));
    }
  }

  @Test
  void statedSizesHoldForTheModelsTheyWereStatedFor() {
    MemoryRequest mistral = request(Geometries.mistral7B(), 1, 1);
    MemoryRequest mixtral = request(Geometries.mixtral8x7B(), 1, 1);
    assertTrue(MemoryEstimator.maxContext(mistral, 16_000_000_000L).getAsLong() >= 2048);
    assertTrue(MemoryEstimator.maxContext(mixtral, 100_000_000_000L).getAsLong() >= 8192);
    assertTrue(MemoryEstimator.maxContext(mixtral, 80_000_000_000L).isEmpty());
  }

  @Test
  void refusesEmptyContextBatchAndWeights() {
    ModelConfig config = Geometries.mistral7B();
    assertThrows(IllegalArgumentException.class, () -> request(config, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> request(config, 1, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> new MemoryRequest(config, 0, ActivationType.BF16, 1, 1));
  }

  @ParameterizedTest
  @ValueSource(longs = {Long.MAX_VALUE, Long.MAX_VALUE / 8192, 1L << 45})
  void refusesSizesBeyondLong(long context) {
    MemoryRequest request = request(Geometries.mistral7B(), context, Integer.MAX_VALUE);
    assertThrows(ArithmeticException.class, () -> MemoryEstimator.estimate(request));
  }
}
