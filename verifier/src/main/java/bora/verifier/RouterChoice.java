package bora.verifier;

import java.util.Arrays;

/**
 * Which experts a position's router logits ask for.
 *
 * @param experts the chosen ones, ascending
 * @param ranking the same, the largest logit first
 * @param margin logit of the last expert chosen minus that of the first one not chosen; infinite
 *     when all are chosen
 */
record RouterChoice(int[] experts, int[] ranking, double margin) {
  static RouterChoice of(PositionValues routerLogits, int position, int expertsPerToken) {
    int ranked = Math.min(expertsPerToken + 1, routerLogits.width());
    int[] ranking = Ranking.largest(routerLogits, position, ranked);
    double margin =
        ranked > expertsPerToken
            ? (double) routerLogits.at(position, ranking[expertsPerToken - 1])
                - routerLogits.at(position, ranking[expertsPerToken])
            : Double.POSITIVE_INFINITY;
    int[] chosen = Arrays.copyOf(ranking, expertsPerToken);
    int[] experts = chosen.clone();
    Arrays.sort(experts);
    return new RouterChoice(experts, chosen, margin);
  }

  boolean sameExperts(RouterChoice other) {
    return Arrays.equals(experts, other.experts);
  }

  boolean sameOrder(RouterChoice other) {
    return Arrays.equals(ranking, other.ranking);
  }
}
