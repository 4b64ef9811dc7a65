package bora.verifier;

import bora.formats.model.ModelConfig;
import bora.runtime.ForwardObserver;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/** Keeps what a session tells. */
final class RecordingObserver implements ForwardObserver {
  private final int[] tokens;
  private final PositionValues logits;
  private final List<PositionValues> hidden;
  private final List<PositionValues> routerLogits;

  RecordingObserver(ModelConfig config, int[] tokens, Set<LayerOutput> wanted) {
    this.tokens = tokens;
    logits = PositionValues.ofPositions(tokens.length, config.vocabSize());
    int states = wanted.contains(LayerOutput.HIDDEN) ? config.layerCount() + 1 : 0;
    hidden = room(states, config.hiddenSize());
    boolean routed = config.hasRouter() && wanted.contains(LayerOutput.ROUTER_LOGITS);
    routerLogits = room(routed ? config.layerCount() : 0, config.expertCount());
  }

  private List<PositionValues> room(int count, int width) {
    return IntStream.range(0, count)
        .mapToObj(i -> PositionValues.ofPositions(tokens.length, width))
        .toList();
  }

  SequenceOutputs outputs() {
    return new SequenceOutputs(tokens, logits, hidden, routerLogits);
  }

  @Override
  public void hidden(int index, int position, float[] values, int offset) {
    if (!hidden.isEmpty()) {
      keep(hidden.get(index), position, values, offset);
    }
  }

  @Override
  public void routerLogits(int layer, int position, float[] values, int offset) {
    if (!routerLogits.isEmpty()) {
      keep(routerLogits.get(layer), position, values, offset);
    }
  }

  @Override
  public void logits(int position, float[] values, int offset) {
    keep(logits, position, values, offset);
  }

  private static void keep(PositionValues kept, int position, float[] values, int offset) {
    System.arraycopy(values, offset, kept.values(), kept.offset(position), kept.width());
  }
}
