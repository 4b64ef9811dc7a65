package bora.verifier;

import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import bora.formats.pack.PackReader;
import bora.runtime.Model;
import bora.runtime.RuntimeOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Names the experts whose encoding costs most: each one alone gets its weights from the checkpoint,
 * in float32, the sequences are run again, and the divergence that this saves is its share.
 *
 * <p>A calibrated pack has the channels of the norm before the experts folded into their columns.
 * How much of them the norms themselves tell, so the checkpoint's columns are folded alike.
 */
public final class ExpertReplacement {
  private static final List<TensorRole> PROJECTIONS =
      List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN);

  private final PackReader pack;
  private final WeightSource checkpoint;
  private final RuntimeOptions options;
  private final ProgressListener progress;

  /**
   * @param checkpoint that the pack was made of
   * @param progress hears of every expert
   * @throws MismatchedArtifactException when the pack has no experts, or is of another model
   */
  public ExpertReplacement(
      PackReader pack, WeightSource checkpoint, RuntimeOptions options, ProgressListener progress)
      throws MismatchedArtifactException {
    if (!pack.config().hasRouter()) {
      throw new MismatchedArtifactException(
          pack.path(), "expected a model with experts, found one without");
    }
    ConversionCheck.requireSameConfig(checkpoint, pack);
    this.pack = pack;
    this.checkpoint = checkpoint;
    this.options = options;
    this.progress = progress;
  }

  /** How many experts there are. */
  public static int count(ModelConfig config) {
    return config.layerCount() * config.expertCount();
  }

  /**
   * Replaces one expert after the other.
   *
   * @return all of them, the costliest first
   */
  List<ExpertShare> run(List<ScoredSequence> sequences) throws IOException {
    ModelConfig config = pack.config();
    double own = divergence(Map.of(), sequences);
    List<ExpertShare> shares = new ArrayList<>();
    for (int layer = 0; layer < config.layerCount(); layer++) {
      float[] folds = folds(layer);
      for (int expert = 0; expert < config.expertCount(); expert++) {
        try (Arena arena = Arena.ofShared()) {
          double replaced = divergence(tensors(layer, expert, folds, arena), sequences);
          shares.add(new ExpertShare(layer, expert, replaced, own - replaced));
        }
        progress.advance(1);
      }
    }
    shares.sort(Comparator.comparingDouble(ExpertShare::saved).reversed());
    return shares;
  }

  private double divergence(Map<TensorKey, EncodedTensor> replaced, List<ScoredSequence> sequences)
      throws IOException {
    double sum = 0;
    long positions = 0;
    try (Model model =
        Model.of(pack.config(), key -> replaced.getOrDefault(key, pack.tensor(key)), options)) {
      Candidate candidate = new RuntimeCandidate(model, pack);
      for (ScoredSequence sequence : sequences) {
        SequenceOutputs outputs =
            candidate.prefill(
                sequence.tokens(), EnumSet.noneOf(LayerOutput.class), ImposedRouting.NONE);
        for (PositionComparison compared : sequence.compare(outputs)) {
          sum += compared.divergence();
          positions++;
        }
      }
    }
    return sum / positions;
  }

  /** By which factor each channel before the experts of a layer is louder in the pack's columns. */
  private float[] folds(int layer) throws IOException {
    TensorKey norm = TensorKey.ofLayer(layer, TensorRole.FEED_FORWARD_NORM);
    float[] expected = new float[pack.config().hiddenSize()];
    float[] found = new float[expected.length];
    checkpoint.readRows(norm, 0, 1, expected, 0);
    pack.tensor(norm).decodeRow(0, found, 0);
    float[] folds = new float[expected.length];
    for (int i = 0; i < folds.length; i++) {
      folds[i] = expected[i] == found[i] ? 1 : expected[i] / found[i];
    }
    return folds;
  }

  private Map<TensorKey, EncodedTensor> tensors(int layer, int expert, float[] folds, Arena arena)
      throws IOException {
    Map<TensorKey, EncodedTensor> tensors = new HashMap<>();
    for (TensorRole role : PROJECTIONS) {
      TensorKey key = TensorKey.ofExpert(layer, expert, role);
      tensors.put(key, tensor(key, role == TensorRole.EXPERT_DOWN ? null : folds, arena));
    }
    return tensors;
  }

  /** A matrix of the checkpoint as {@code docs/encodings.md} defines f32: in panels of rows. */
  private EncodedTensor tensor(TensorKey key, float[] folds, Arena arena) throws IOException {
    TensorShape shape = pack.tensor(key).shape();
    MemorySegment bytes =
        arena.allocate(Encoding.F32.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
    int lanes = Encoding.F32.rowsPerPanel();
    float[] values = new float[shape.columns()];
    for (int row = 0; row < shape.rows(); row++) {
      checkpoint.readRows(key, row, 1, values, 0);
      long panelStart = (long) (row / lanes) * shape.columns() * lanes + row % lanes;
      for (int column = 0; column < values.length; column++) {
        float fold = folds == null ? 1 : folds[column];
        bytes.setAtIndex(
            LittleEndian.FLOAT, panelStart + (long) column * lanes, values[column] * fold);
      }
    }
    return new EncodedTensor(Encoding.F32, shape, bytes);
  }
}
