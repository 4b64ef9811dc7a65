package bora.verifier;

import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * A deliberately naive forward pass of Mistral and Mixtral: float32 weights, everything else in
 * double, no cache, no kernels, nothing shared with the runtime. Outputs are rounded to float32 as
 * the last step.
 *
 * <p>It goes layer by layer over all tokens of a batch and holds one tensor at a time, so that its
 * memory is the largest matrix and the activations of the batch. Results do not depend on the batch
 * or on the number of threads.
 *
 * <p>What a token's values are made of, by which formula, is in {@link ReferenceSteps}.
 */
public final class ReferenceModel implements ReferenceSource {
  /** Rows that one processor reads at a time. */
  private static final int ROWS_PER_READ = 64;

  private final WeightSource weights;
  private final ReferenceSteps steps;
  private final ModelConfig config;
  private final SequencedMap<TensorKey, TensorShape> tensors;

  public ReferenceModel(WeightSource weights) {
    this(weights, new ReferenceSteps(weights.config()));
  }

  ReferenceModel(WeightSource weights, ReferenceSteps steps) {
    this.weights = weights;
    this.steps = steps;
    this.config = weights.config();
    this.tensors = config.tensors();
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public String description() {
    return "naive reference model in double, " + weights.description();
  }

  @Override
  public void outputs(
      List<int[]> sequences,
      Set<LayerOutput> wanted,
      ProgressListener progress,
      OutputsConsumer consumer)
      throws IOException {
    TokenBatch batch = new TokenBatch(sequences);
    List<double[][]> states = new ArrayList<>();
    List<double[][]> routerLogits = new ArrayList<>();
    double[][] hidden = embed(batch.tokens());
    progress.advance(1);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      if (wanted.contains(LayerOutput.HIDDEN)) {
        states.add(copyOf(hidden));
      }
      NaiveArithmetic.add(hidden, attention(layer, batch, normalize(attentionNorm(layer), hidden)));
      double[][] input = normalize(feedForwardNorm(layer), hidden);
      double[][] logits = config.hasRouter() ? multiply(router(layer), input) : null;
      if (logits != null && wanted.contains(LayerOutput.ROUTER_LOGITS)) {
        routerLogits.add(logits);
      }
      NaiveArithmetic.add(hidden, feedForward(layer, input, routings(layer, batch, logits)));
      progress.advance(tensorsIn(layer));
    }
    hidden = normalize(TensorKey.ofModel(TensorRole.OUTPUT_NORM), hidden);
    if (wanted.contains(LayerOutput.HIDDEN)) {
      states.add(hidden);
    }
    handOver(batch, hidden, states, routerLogits, consumer);
    progress.advance(config.tiedEmbeddings() ? 1 : 2);
  }

  private long tensorsIn(int layer) {
    return tensors.keySet().stream().filter(key -> key.layer() == layer).count();
  }

  private void handOver(
      TokenBatch batch,
      double[][] hidden,
      List<double[][]> states,
      List<double[][]> routerLogits,
      OutputsConsumer consumer)
      throws IOException {
    TensorRole head = config.tiedEmbeddings() ? TensorRole.EMBEDDING : TensorRole.LM_HEAD;
    TensorKey headKey = TensorKey.ofModel(head);
    float[] headMatrix = read(headKey);
    for (int s = 0; s < batch.sequenceCount(); s++) {
      int start = batch.start(s);
      int end = batch.end(s);
      double[][] logits =
          NaiveArithmetic.multiply(
              headMatrix, config.vocabSize(), Arrays.copyOfRange(hidden, start, end));
      consumer.accept(
          new SequenceOutputs(
              batch.sequence(s),
              rounded(logits, 0, logits.length),
              states.stream().map(state -> rounded(state, start, end)).toList(),
              routerLogits.stream().map(router -> rounded(router, start, end)).toList()));
    }
  }

  /** Rows of the embedding, one a token. */
  private double[][] embed(int[] tokens) throws IOException {
    double[][] hidden = new double[tokens.length][];
    float[] row = new float[config.hiddenSize()];
    for (int t = 0; t < tokens.length; t++) {
      weights.readRows(TensorKey.ofModel(TensorRole.EMBEDDING), tokens[t], 1, row, 0);
      hidden[t] = NaiveArithmetic.widen(row);
    }
    return hidden;
  }

  private double[][] normalize(TensorKey norm, double[][] inputs) throws IOException {
    float[] weight = read(norm);
    double[][] outputs = new double[inputs.length][];
    IntStream.range(0, inputs.length)
        .parallel()
        .forEach(t -> outputs[t] = steps.rmsNorm(norm, weight, inputs[t]));
    return outputs;
  }

  private double[][] attention(int layer, TokenBatch batch, double[][] inputs) throws IOException {
    double[][] queries = multiply(TensorKey.ofLayer(layer, TensorRole.QUERY), inputs);
    double[][] keys = multiply(TensorKey.ofLayer(layer, TensorRole.KEY), inputs);
    double[][] values = multiply(TensorKey.ofLayer(layer, TensorRole.VALUE), inputs);
    double[][] mixed = new double[inputs.length][config.queryWidth()];
    IntStream.range(0, inputs.length)
        .parallel()
        .forEach(
            t -> {
              rotate(layer, TensorRole.QUERY, queries[t], batch.position(t));
              rotate(layer, TensorRole.KEY, keys[t], batch.position(t));
            });
    IntStream.range(0, inputs.length)
        .parallel()
        .forEach(
            t -> {
              for (int head = 0; head < config.headCount(); head++) {
                attend(layer, head, t, batch, queries, keys, values, mixed[t]);
              }
            });
    return multiply(TensorKey.ofLayer(layer, TensorRole.ATTENTION_OUTPUT), mixed);
  }

  /** One head of one token: softmax of the scaled scores over the tokens it attends to. */
  private void attend(
      int layer,
      int head,
      int t,
      TokenBatch batch,
      double[][] queries,
      double[][] keys,
      double[][] values,
      double[] mixed) {
    int dim = config.headDim();
    int queryOffset = head * dim;
    int keyOffset = steps.kvHead(head) * dim;
    int start = t - batch.position(t);
    double[] scores = new double[t - start + 1];
    for (int j = start; j <= t; j++) {
      double dot = 0;
      for (int i = 0; i < dim; i++) {
        dot += queries[t][queryOffset + i] * keys[j][keyOffset + i];
      }
      boolean attended = steps.attends(layer, batch.position(t), batch.position(j));
      scores[j - start] = attended ? dot / Math.sqrt(dim) : Double.NEGATIVE_INFINITY;
    }
    double[] shares = NaiveArithmetic.softmax(scores);
    for (int j = start; j <= t; j++) {
      for (int i = 0; i < dim; i++) {
        mixed[queryOffset + i] += shares[j - start] * values[j][keyOffset + i];
      }
    }
  }

  /** Rotary embedding of all heads of a query or key, in place: halves of a head are rotated. */
  private void rotate(int layer, TensorRole projection, double[] heads, int position) {
    int dim = config.headDim();
    int half = dim / 2;
    for (int head = 0; head < heads.length; head += dim) {
      for (int i = 0; i < half; i++) {
        double angle = steps.ropeAngle(layer, projection, position, i);
        double first = heads[head + i];
        double second = heads[head + half + i];
        heads[head + i] = first * Math.cos(angle) - second * Math.sin(angle);
        heads[head + half + i] = second * Math.cos(angle) + first * Math.sin(angle);
      }
    }
  }

  private Routing[] routings(int layer, TokenBatch batch, double[][] routerLogits) {
    Routing[] routings = new Routing[batch.tokens().length];
    for (int t = 0; t < routings.length; t++) {
      routings[t] =
          routerLogits == null
              ? Routing.DENSE
              : steps.route(layer, batch.position(t), routerLogits[t], config.expertsPerToken());
    }
    return routings;
  }

  private double[][] feedForward(int layer, double[][] inputs, Routing[] routings)
      throws IOException {
    double[][] outputs = new double[inputs.length][config.hiddenSize()];
    for (int expert = 0; expert < config.expertCount(); expert++) {
      int chosen = expert;
      int[] routed =
          IntStream.range(0, inputs.length).filter(t -> routings[t].takes(chosen)).toArray();
      if (routed.length == 0) {
        continue;
      }
      double[][] expertInputs =
          Arrays.stream(routed).mapToObj(t -> inputs[t]).toArray(double[][]::new);
      double[][] results = expert(layer, expert, expertInputs);
      for (int n = 0; n < routed.length; n++) {
        double weight = routings[routed[n]].weightOf(expert);
        for (int i = 0; i < results[n].length; i++) {
          outputs[routed[n]][i] += weight * results[n][i];
        }
      }
    }
    return outputs;
  }

  /** SwiGLU: {@code w2 (silu(w1 x) * w3 x)}. */
  private double[][] expert(int layer, int expert, double[][] inputs) throws IOException {
    double[][] gate = multiply(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE), inputs);
    double[][] up = multiply(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP), inputs);
    for (int t = 0; t < gate.length; t++) {
      for (int i = 0; i < gate[t].length; i++) {
        gate[t][i] = gate[t][i] / (1 + Math.exp(-gate[t][i])) * up[t][i];
      }
    }
    return multiply(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN), gate);
  }

  private TensorKey attentionNorm(int layer) {
    return TensorKey.ofLayer(layer, TensorRole.ATTENTION_NORM);
  }

  private TensorKey feedForwardNorm(int layer) {
    return TensorKey.ofLayer(layer, TensorRole.FEED_FORWARD_NORM);
  }

  private TensorKey router(int layer) {
    return TensorKey.ofLayer(layer, TensorRole.ROUTER);
  }

  private double[][] multiply(TensorKey key, double[][] inputs) throws IOException {
    return NaiveArithmetic.multiply(read(key), tensors.get(key).rows(), inputs);
  }

  private float[] read(TensorKey key) throws IOException {
    TensorShape shape = tensors.get(key);
    float[] values = new float[Math.toIntExact(shape.elementCount())];
    int chunks = Math.ceilDiv(shape.rows(), ROWS_PER_READ);
    try {
      IntStream.range(0, chunks).parallel().forEach(chunk -> readChunk(key, chunk, values));
      return values;
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private void readChunk(TensorKey key, int chunk, float[] values) {
    TensorShape shape = tensors.get(key);
    int row = chunk * ROWS_PER_READ;
    int count = Math.min(ROWS_PER_READ, shape.rows() - row);
    try {
      weights.readRows(key, row, count, values, row * shape.columns());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static double[][] copyOf(double[][] rows) {
    return Arrays.stream(rows).map(double[]::clone).toArray(double[][]::new);
  }

  private static PositionValues rounded(double[][] rows, int start, int end) {
    PositionValues rounded = PositionValues.ofPositions(end - start, rows[start].length);
    for (int t = start; t < end; t++) {
      for (int i = 0; i < rounded.width(); i++) {
        rounded.values()[rounded.offset(t - start) + i] = (float) rows[t][i];
      }
    }
    return rounded;
  }
}
