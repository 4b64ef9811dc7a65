package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/** t1 to t5: values of {@link TrellisCode}, from strings of {@link TrellisPanel}. */
record TrellisDecoder(Encoding encoding) implements BlockDecoder {
  @Override
  public float valueAt(MemorySegment panel, int columns, int lane, int column) {
    int stateBits = TrellisPanel.stateBits(panel, 0);
    int state = TrellisPanel.stateAt(encoding, panel, lane, column, stateBits);
    return TrellisCode.value(state, TrellisCode.multiplier(encoding))
        * TrellisPanel.rowScale(panel, 0, lane);
  }
}
