package bora.formats.encoding;

/**
 * What the states of the trellis encodings mean: a computed code of nearly Gaussian values, {@code
 * u + u^9} of a hash {@code u} of the state that is uniform between -1 and 1. Encoders and decoders
 * both go by this class; vectors repeat its operations one by one and get the same bits.
 */
public final class TrellisCode {
  /** Multiplies a hash, as a float, to bring it between -1 and 1; exact. */
  public static final float HASH_UNIT = 0x1p-31f;

  private TrellisCode() {}

  /**
   * The odd factor that hashes the states of an encoding. Those that differ in their newest bits
   * alone must land far apart, which good factors do better than chance; these are the best of some
   * hundred drawn at random, judged on Gaussian values.
   */
  public static int multiplier(Encoding encoding) {
    return switch (encoding) {
      case T1 -> 0x76738967;
      case T2 -> 0x3D90FBAD;
      case T3 -> 0xA1CBB723;
      case T4 -> 0x63783933;
      case T5 -> 0xF08DB22F;
      default -> throw new IllegalArgumentException(encoding.jsonName() + " has no trellis");
    };
  }

  /** The most bits of a state that a panel may use. */
  public static int maxStateBits(Encoding encoding) {
    return switch (encoding) {
      case T1 -> 9;
      case T2 -> 10;
      case T3, T4, T5 -> 12;
      default -> throw new IllegalArgumentException(encoding.jsonName() + " has no trellis");
    };
  }

  /** The value of a state, to be multiplied by the row's scale. Every operation rounds once. */
  public static float value(int state, int multiplier) {
    float u = (float) (state * multiplier) * HASH_UNIT;
    float u2 = u * u;
    float u4 = u2 * u2;
    float u8 = u4 * u4;
    return Math.fma(u8, u, u);
  }
}
