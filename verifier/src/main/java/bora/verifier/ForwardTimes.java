package bora.verifier;

import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;

/**
 * How long the models of a verification ran forward, and over how many positions: all else is what
 * the verification itself costs. For one thread, the one that verifies.
 */
public final class ForwardTimes {
  private final Map<Kind, Spent> spent = new EnumMap<>(Kind.class);

  /** Which passes. */
  public enum Kind {
    /** The candidate's, many positions at once. */
    PREFILL,
    /** The candidate's, position by position. */
    DECODE,
    /** The reference's, where it is computed now. */
    REFERENCE
  }

  /** What some passes took. */
  public record Spent(long positions, double seconds) {}

  /** A model's pass. */
  private interface Pass<T> {
    T run() throws IOException;
  }

  /** Nothing was spent yet. */
  public ForwardTimes() {}

  /** What was spent on passes of one kind; nothing when there were none. */
  public Spent of(Kind kind) {
    return spent.getOrDefault(kind, new Spent(0, 0));
  }

  /** All passes together. */
  public double seconds() {
    return spent.values().stream().mapToDouble(Spent::seconds).sum();
  }

  /** The same candidate, its passes measured. */
  public Candidate measured(Candidate candidate) {
    return new MeasuredCandidate(candidate, this);
  }

  /** The same source, its passes measured. */
  public ReferenceSource measured(ReferenceSource source) {
    return new MeasuredSource(source, this);
  }

  private void add(Kind kind, long positions, long nanos) {
    Spent before = of(kind);
    spent.put(kind, new Spent(before.positions() + positions, before.seconds() + nanos * 1e-9));
  }

  private <T> T measure(Kind kind, long positions, Pass<T> pass) throws IOException {
    long start = System.nanoTime();
    T result = pass.run();
    add(kind, positions, System.nanoTime() - start);
    return result;
  }

  private record MeasuredCandidate(Candidate candidate, ForwardTimes times) implements Candidate {
    @Override
    public ModelConfig config() {
      return candidate.config();
    }

    @Override
    public SequencedMap<String, String> provenance() {
      return candidate.provenance();
    }

    @Override
    public SequenceOutputs prefill(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed)
        throws IOException {
      return times.measure(
          Kind.PREFILL, tokens.length, () -> candidate.prefill(tokens, wanted, imposed));
    }

    @Override
    public SequenceOutputs decode(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed)
        throws IOException {
      return times.measure(
          Kind.DECODE, tokens.length, () -> candidate.decode(tokens, wanted, imposed));
    }

    @Override
    public int[] greedy(int[] prompt, int count) throws IOException {
      return times.measure(
          Kind.DECODE, prompt.length + count, () -> candidate.greedy(prompt, count));
    }
  }

  private record MeasuredSource(ReferenceSource source, ForwardTimes times)
      implements ReferenceSource {
    @Override
    public ModelConfig config() {
      return source.config();
    }

    @Override
    public String description() {
      return source.description();
    }

    /** What is done with the outputs is no pass of the reference. */
    @Override
    public void outputs(
        List<int[]> sequences,
        Set<LayerOutput> wanted,
        ProgressListener progress,
        OutputsConsumer consumer)
        throws IOException {
      long[] elsewhere = {0};
      long start = System.nanoTime();
      source.outputs(
          sequences,
          wanted,
          progress,
          outputs -> {
            long given = System.nanoTime();
            consumer.accept(outputs);
            elsewhere[0] += System.nanoTime() - given;
          });
      long positions = sequences.stream().mapToLong(sequence -> sequence.length).sum();
      times.add(Kind.REFERENCE, positions, System.nanoTime() - start - elsewhere[0]);
    }
  }
}
