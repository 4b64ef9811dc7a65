package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/** t1 to t5: levels of {@link TrellisCode}, from columns of {@link TrellisPanel}. */
record TrellisDecoder(Encoding encoding) implements BlockDecoder {
  @Override
  public float valueAt(MemorySegment panel, int columns, int lane, int column) {
    int state = TrellisPanel.stateAt(encoding, panel, lane, column);
    return TrellisCode.of(encoding).value(state) * TrellisPanel.rowScale(panel, 0, lane);
  }
}
