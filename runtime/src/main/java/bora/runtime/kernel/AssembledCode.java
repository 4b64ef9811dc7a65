package bora.runtime.kernel;

import bora.formats.encoding.Encoding;
import bora.runtime.machine.MachineCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.Map;

/**
 * The machine code for an encoding, assembled and tested at its first use.
 *
 * @param dots by digits: one stream, and as many as registers suffice for
 * @param roundings by digits
 * @param unpacking of a panel's blocks; its parameters depend on the kind of encoding
 * @param tiles for one token at once, two, and so on
 * @param order {@link AssembledRounding#places} of {@link CodeOrder#of}, or of {@link
 *     TrellisLevels#order}
 * @param middle see {@link ActivationDigits#middle}
 */
record AssembledCode(
    Map<ActivationDigits, Dots> dots,
    Map<ActivationDigits, MachineCode> roundings,
    MachineCode unpacking,
    MachineCode[] tiles,
    MemorySegment order,
    int middle) {
  /** Products of one token. */
  record Dots(MachineCode oneStream, MachineCode allStreams, int streams) {}

  /** What does not depend on the encoding. */
  private static final class Common {
    static final Map<ActivationDigits, MachineCode> ROUNDINGS =
        new EnumMap<>(ActivationDigits.class);
    static final MachineCode[] TILES = new MachineCode[AssembledTile.MAX_TOKENS];

    static {
      for (ActivationDigits digits : ActivationDigits.values()) {
        ROUNDINGS.put(digits, AssembledRounding.of(digits));
      }
      for (int tokens = 1; tokens <= TILES.length; tokens++) {
        TILES[tokens - 1] = AssembledTile.of(tokens);
      }
    }
  }

  private static final AssembledCode[] OF_ENCODING = new AssembledCode[Encoding.values().length];

  /**
   * The code for an encoding, the same at every call.
   *
   * @throws IllegalStateException when it does not compute what it should
   */
  static AssembledCode of(Encoding encoding) {
    AssembledCode code = OF_ENCODING[encoding.ordinal()];
    return code != null ? code : make(encoding);
  }

  private static synchronized AssembledCode make(Encoding encoding) {
    if (OF_ENCODING[encoding.ordinal()] == null) {
      AssembledCode code = assemble(encoding);
      AssembledSelfTest.run(encoding, code);
      OF_ENCODING[encoding.ordinal()] = code;
    }
    return OF_ENCODING[encoding.ordinal()];
  }

  private static AssembledCode assemble(Encoding encoding) {
    Map<ActivationDigits, Dots> dots = new EnumMap<>(ActivationDigits.class);
    for (ActivationDigits digits : ActivationDigits.values()) {
      dots.put(
          digits, encoding.isTrellis() ? trellisDots(encoding, digits) : dots(encoding, digits));
    }
    byte[] order = encoding.isTrellis() ? TrellisLevels.order() : CodeOrder.of(encoding);
    return new AssembledCode(
        dots,
        Common.ROUNDINGS,
        encoding.isTrellis()
            ? AssembledTrellisUnpacking.toCodes(encoding)
            : AssembledUnpacking.of(encoding),
        Common.TILES,
        Arena.global().allocateFrom(ValueLayout.JAVA_BYTE, AssembledRounding.places(order)),
        ActivationDigits.middle(encoding));
  }

  private static Dots dots(Encoding encoding, ActivationDigits digits) {
    int streams = AssembledDot.maxStreams(digits);
    return new Dots(
        AssembledDot.of(encoding, digits, 1), AssembledDot.of(encoding, digits, streams), streams);
  }

  private static Dots trellisDots(Encoding encoding, ActivationDigits digits) {
    MachineCode dot = AssembledTrellis.of(encoding, digits);
    return new Dots(dot, dot, 1);
  }
}
