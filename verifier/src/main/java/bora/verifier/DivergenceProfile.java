package bora.verifier;

import java.util.List;

/**
 * How the KL divergences of the scored positions are spread.
 *
 * @param histogram by size, without empty bins at either end
 * @param groups by position in the sequence
 */
public record DivergenceProfile(List<Bin> histogram, List<Group> groups) {
  public DivergenceProfile {
    histogram = List.copyOf(histogram);
    groups = List.copyOf(groups);
  }

  /**
   * Positions whose divergence is above {@code above} and at most {@code upTo} nats; the first bin
   * has all that are smaller (rounding can make them negative), the last one all that are larger,
   * NaN too.
   */
  public record Bin(double above, double upTo, long positions) {}

  /**
   * The scored positions from {@code first} up to {@code end}, exclusive, of all sequences.
   *
   * @param mean their mean divergence in nats
   */
  public record Group(int first, int end, long positions, double mean) {}
}
