package bora.verifier;

/** The cosine of two vectors. Two zero vectors agree; one alone agrees with nothing. */
final class Cosine {
  private Cosine() {}

  static double of(double dot, double squaresA, double squaresB) {
    if (squaresA == 0 || squaresB == 0) {
      return squaresA == squaresB ? 1 : 0;
    }
    return dot / Math.sqrt(squaresA * squaresB);
  }
}
