package bora.runtime.kernel;

import bora.formats.encoding.Encoding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * What machine code reads a token's activations as, of one thread: kept until the activations are
 * set again, for each encoding by itself, since a gate and an up of two encodings are multiplied in
 * turn. The addresses hold until the next call for the same encoding.
 */
final class KeptActivations {
  private static final int FORMS = ActivationDigits.values().length + 1;

  /** The form that is no digits. */
  private static final int EXACT = FORMS - 1;

  private final AssembledScratch scratch;
  private final Kept[] kept = new Kept[Encoding.values().length * FORMS];

  KeptActivations(AssembledScratch scratch) {
    this.scratch = scratch;
  }

  /** Address of the {@link ActivationDigits records} of the first token. */
  long records(
      Encoding encoding,
      AssembledCode code,
      ActivationDigits digits,
      TokenActivations x,
      int columns) {
    Kept kept = kept(encoding, digits.ordinal());
    if (!kept.isOf(x, columns)) {
      long blocks = Math.ceilDiv(columns, ActivationDigits.BLOCK_COLUMNS);
      long records = kept.room(blocks * digits.recordBytes()).address();
      AssembledProducts.round(code, digits, x, 0, columns, records, scratch);
      kept.keep(x, columns);
    }
    return kept.bytes.address();
  }

  /**
   * Address of the first token's floats.
   *
   * @param count at least {@code columns}: how many are read, the last of them zero
   */
  long floats(Encoding encoding, TokenActivations x, int columns, int count) {
    Kept kept = kept(encoding, EXACT);
    if (!kept.isOf(x, columns)) {
      MemorySegment floats = kept.room((long) count * Float.BYTES);
      AssembledScratch.copy(x.values(), x.offset(0), columns, count, floats);
      kept.keep(x, columns);
    }
    return kept.bytes.address();
  }

  private Kept kept(Encoding encoding, int form) {
    int index = encoding.ordinal() * FORMS + form;
    if (kept[index] == null) {
      kept[index] = new Kept();
    }
    return kept[index];
  }

  private static final class Kept {
    private MemorySegment bytes = MemorySegment.NULL;
    private long version;
    private int columns;

    boolean isOf(TokenActivations x, int columns) {
      return version == x.version() && this.columns == columns;
    }

    /** Room of unknown content, which is nobody's until it is {@link #keep kept}. */
    MemorySegment room(long byteCount) {
      columns = 0;
      if (bytes.byteSize() < byteCount) {
        bytes = Arena.ofAuto().allocate(byteCount, AssembledScratch.ALIGNMENT_BYTES);
      }
      return bytes;
    }

    void keep(TokenActivations x, int columns) {
      version = x.version();
      this.columns = columns;
    }
  }
}
