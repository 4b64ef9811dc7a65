package bora.verifier;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The KL divergence of every scored position. */
final class Divergences {
  private static final int MAX_GROUPS = 32;

  /** Two bins a decade, from 1e-9 (what float32 makes) to 10 nats. */
  private static final double[] EDGES = edges();

  private double[] values = new double[64];
  private int[] positions = new int[64];
  private int count;

  private static double[] edges() {
    double[] edges = new double[21];
    for (int i = 0; i < edges.length; i++) {
      edges[i] = Math.pow(10, -9 + i / 2.0);
    }
    return edges;
  }

  void add(int position, double divergence) {
    if (count == values.length) {
      values = Arrays.copyOf(values, 2 * count);
      positions = Arrays.copyOf(positions, 2 * count);
    }
    values[count] = divergence;
    positions[count] = position;
    count++;
  }

  int count() {
    return count;
  }

  double mean() {
    return Arrays.stream(values, 0, count).sum() / count;
  }

  /** The smallest value that at least 99 % of the positions do not exceed. */
  double percentile99() {
    double[] sorted = Arrays.copyOf(values, count);
    Arrays.sort(sorted);
    return sorted[Math.toIntExact(Math.ceilDiv(99L * count, 100)) - 1];
  }

  DivergenceProfile profile() {
    return new DivergenceProfile(histogram(), groups());
  }

  private List<DivergenceProfile.Bin> histogram() {
    long[] counts = new long[EDGES.length + 1];
    for (int i = 0; i < count; i++) {
      int bin = 0;
      while (bin < EDGES.length && !(values[i] <= EDGES[bin])) {
        bin++;
      }
      counts[bin]++;
    }
    List<DivergenceProfile.Bin> bins = new ArrayList<>();
    for (int bin = 0; bin < counts.length; bin++) {
      double above = bin == 0 ? Double.NEGATIVE_INFINITY : EDGES[bin - 1];
      double upTo = bin == EDGES.length ? Double.POSITIVE_INFINITY : EDGES[bin];
      bins.add(new DivergenceProfile.Bin(above, upTo, counts[bin]));
    }
    while (!bins.isEmpty() && bins.getLast().positions() == 0) {
      bins.removeLast();
    }
    while (!bins.isEmpty() && bins.getFirst().positions() == 0) {
      bins.removeFirst();
    }
    return bins;
  }

  private List<DivergenceProfile.Group> groups() {
    int first = Arrays.stream(positions, 0, count).min().orElse(0);
    int end = Arrays.stream(positions, 0, count).max().orElse(-1) + 1;
    int width = Math.max(1, Math.ceilDiv(end - first, MAX_GROUPS));
    int groupCount = Math.ceilDiv(end - first, width);
    long[] counts = new long[groupCount];
    double[] sums = new double[groupCount];
    for (int i = 0; i < count; i++) {
      counts[(positions[i] - first) / width]++;
      sums[(positions[i] - first) / width] += values[i];
    }
    List<DivergenceProfile.Group> groups = new ArrayList<>();
    for (int group = 0; group < groupCount; group++) {
      int from = first + group * width;
      if (counts[group] > 0) {
        groups.add(
            new DivergenceProfile.Group(
                from, Math.min(from + width, end), counts[group], sums[group] / counts[group]));
      }
    }
    return groups;
  }
}
