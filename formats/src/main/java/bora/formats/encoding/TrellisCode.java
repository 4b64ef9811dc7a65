package bora.formats.encoding;

import java.util.HexFormat;

/**
 * What the states of a trellis encoding mean: each is one of 128 levels, which are bytes. The
 * lowest seven bits of a state are the index of its level, once a mix, which its highest seven bits
 * choose, has turned some of them over. Encoders and decoders both go by this class.
 *
 * <p>A symbol is the lowest bits of a state, so it chooses between levels whose indices differ in
 * these alone: they lie far apart, as in Ungerboeck's partition of a set of levels. Mixes are
 * random, levels trained on Gaussian values; of many such codes these are the best.
 */
public final class TrellisCode {
  /** Bits of a state. */
  public static final int STATE_BITS = 12;

  /** The number of levels, and of mixes. */
  public static final int LEVELS = 128;

  /** The level, not an integer, that would stand for zero. */
  public static final float CENTRE = ScalarGrid.centre(Byte.SIZE);

  private static final int LEVEL_BITS = 7;

  private static final TrellisCode T1 =
      new TrellisCode(
          "5d000f10181161302c4f756b3a106847292335693e525c1b3b053e3e0929277b"
              + "54635760067f36624e607f407d314a0b7e046864425663382a1b786617124077"
              + "00676a4e372b4b347204356e475f230c0d43012a5043624c1f3c0a64364b0049"
              + "6d5803611f323e29634b196b1f6c5f7c422e1b7e5c4961007f251e3843487b63",
          "078d0a85198b248d29812b8a2d8d488b27834c8f2b924389459e43904b923e9c"
              + "4b9a57954e923da1499f50a15d9b539c5da253a361a367a556aa63a658a262ac"
              + "669264b147b161915fb0619a64bb5ebf71c85cad5ca975bc64cb6ecd62ab66c3"
              + "6dbc6cc57cc680cb67c970c86bd26abc6aba6edb6dcf6dda7eec7ce590ff7efb");

  private static final TrellisCode T2 =
      new TrellisCode(
          "370a7a77402436516d6a0e7d2b14633f5b5b512b2978181542557a3f7f39637a"
              + "115f46156c654d6a034137023e6d69650d07316e444d4e3734734a1b7178433d"
              + "124870302f426864310a2c36205d74692e12010d13314d28606a2c3024245f1a"
              + "76192b553037080f773c3e095e04723b7437714e151a1479387d567c36236d14",
          "005f7d9f1b6081a31e6481a1276484a32b6985a52f6486a6366884ab3c6686ad"
              + "386887ab3c6a89ad406d88ad456d89af42708eb0476e8eaf496f8eb74d7390b5"
              + "4c6e8bb44c6f8fb84a7094bf4b7392bd547793bd547593c4537296c3597995c6"
              + "597d99ca547a98cb597b98d1577b9dd15b7c9cda5e7f9dde5c7f9fe65e7e9dfe");

  private static final TrellisCode T3 =
      new TrellisCode(
          "12653b0a7a567739525b561e0c435f483b613746673f590a4a7e235f78673d6b"
              + "4d78244c791c105b51690b4d1e4d5e191469297e10601d6348403e4660117c05"
              + "491b745979237b143935080e021707684e3b025e0e5c2158385c703e045c374a"
              + "461e0f7b50034c050d4f4238276a1d6a7b42381a557256223a3a724264415176",
          "004c6172808f9fb5174f63738190a0b6214f64758290a0b8295264748391a1ba"
              + "2f5266748291a3ba305567768493a7be365667778594a5bf3a576a798693a6c3"
              + "395869798796a7c33f596a788796a9c740596b7a8998abca435b6d7b8999abd0"
              + "455c6e7d8b9aabd2485f707d8a9aafdb495f6f7e8c9cb1e64c60707e8d9db4fc");

  private static final TrellisCode T4 =
      new TrellisCode(
          "422b184c5826321e47661f2a3c33062d6e567d3e3b6e0b62260a7a3b5b654b02"
              + "6f3370712746757c68114665006f263f50405b21040a4b15680b06784f18735f"
              + "505205406317673d29276820211a17101e304a027b61154523320d2459284732"
              + "6b653b56565103243641611d4f73644e586d05583c0513167c7f3d2b21754923",
          "033e4f59626a72797f868d959ea8b1c21541505a646b737980878e969ea7b4c6"
              + "2242505b646d747a81888f979fa9b5c82a46525d646d737b838a9197a1aab6cd"
              + "3146545f676e767c838a9199a1acb9d3374a575f686f767d848b939ba3aebddd"
              + "3b4b56616971787e858d949ba5b0beeb3d4c59626a717880858d939ca6b1c2ff");

  private static final TrellisCode T5 =
      new TrellisCode(
          "06095b6853520a19364b0c726d395819242d18050b68713e67676a470e7c146a"
              + "4a4d461d586a7b2b71516950365c0235445f706e3e5e7a1130106f397c17632d"
              + "081949767464207f324f52766d602d4d5631110b0e4f06353f206175742b5034"
              + "0b6a0d4a1b16165061582f1c241b3e5b0351116a0c03670e460c73654461677a",
          "032e3c454d53585d62666a6e7275797c8083878b8e92969a9ea3a8adb4bcc6d7"
              + "15323f474e54595e63676b6f73767a7d8184888c8f93979ba0a4a9afb6bec9df"
              + "2036414950565b6064686c7073777b7e8285898d9094989ca0a5abb1b8c0cdea"
              + "2839434b51575c6065696d7175787b7f83868a8d9195999da2a7acb2bac3d2ff");

  private final byte[] mixes;
  private final byte[] levels;

  private TrellisCode(String mixes, String levels) {
    this.mixes = HexFormat.of().parseHex(mixes);
    this.levels = HexFormat.of().parseHex(levels);
  }

  /**
   * The code of an encoding.
   *
   * @throws IllegalArgumentException when it has no trellis
   */
  public static TrellisCode of(Encoding encoding) {
    return switch (encoding) {
      case T1 -> T1;
      case T2 -> T2;
      case T3 -> T3;
      case T4 -> T4;
      case T5 -> T5;
      default -> throw new IllegalArgumentException(encoding.jsonName() + " has no trellis");
    };
  }

  /** The level of a state, 0 to 255. */
  public int level(int state) {
    int index = (state & (LEVELS - 1)) ^ mixes[state >>> (STATE_BITS - LEVEL_BITS)];
    return levels[index] & 0xFF;
  }

  /** The value of a state, exact, to be multiplied by the row's scale. */
  public float value(int state) {
    return level(state) - CENTRE;
  }

  /** What the index of a level is turned over by, for each value of a state's highest bits. */
  public byte[] mixes() {
    return mixes.clone();
  }

  /** The levels, unsigned. */
  public byte[] levels() {
    return levels.clone();
  }
}
