package bora.verifier;

import java.util.Arrays;
import java.util.stream.IntStream;

/** Which experts a token takes, and how much of each. */
record Routing(int[] experts, double[] weights) {
  static final Routing DENSE = new Routing(new int[] {0}, new double[] {1});

  boolean takes(int expert) {
    return Arrays.stream(experts).anyMatch(taken -> taken == expert);
  }

  double weightOf(int expert) {
    return IntStream.range(0, experts.length)
        .filter(i -> experts[i] == expert)
        .mapToDouble(i -> weights[i])
        .sum();
  }
}
