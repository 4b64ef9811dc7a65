package bora.verifier;

import java.util.ArrayList;
import java.util.List;

/** Counts router decisions and flips by the reference's margin. */
final class MarginHistogram {
  /** The near-tie margin first, then two bins a decade: margins of real models are about 1. */
  private static final double[] EDGES = {1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3};

  private final long[] decisions = new long[EDGES.length + 1];
  private final long[] flips = new long[EDGES.length + 1];

  void add(double margin, boolean flipped) {
    int bin = 0;
    while (bin < EDGES.length && !(margin <= EDGES[bin])) {
      bin++;
    }
    decisions[bin]++;
    flips[bin] += flipped ? 1 : 0;
  }

  void add(MarginHistogram other) {
    for (int bin = 0; bin < decisions.length; bin++) {
      decisions[bin] += other.decisions[bin];
      flips[bin] += other.flips[bin];
    }
  }

  List<MarginBin> bins() {
    List<MarginBin> bins = new ArrayList<>();
    for (int bin = 0; bin < decisions.length; bin++) {
      bins.add(
          new MarginBin(
              bin == 0 ? Double.NEGATIVE_INFINITY : EDGES[bin - 1],
              bin == EDGES.length ? Double.POSITIVE_INFINITY : EDGES[bin],
              decisions[bin],
              flips[bin]));
    }
    return List.copyOf(bins);
  }
}
