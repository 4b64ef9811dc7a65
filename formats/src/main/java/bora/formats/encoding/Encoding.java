package bora.formats.encoding;

import bora.formats.model.TensorShape;
import java.util.Optional;

/**
 * How a tensor's values stand in bytes; see {@code docs/encodings.md}. Matrices are cut into panels
 * of {@link #rowsPerPanel()} rows, panels into blocks of {@link #columnsPerBlock()} columns. Ids
 * and names are permanent.
 */
public enum Encoding {
  F32(1, "f32", 32, 1),
  BF16(2, "bf16", 16, 2),
  Q8(3, "q8", 8, 64),
  Q6(4, "q6", 6, 64),
  Q5(6, "q5", 5, 64),
  Q4(5, "q4", 4, 64),
  Q3(7, "q3", 3, 64),
  Q2(8, "q2", 2, 64),
  T1(16, "t1", 1, 8),
  T2(17, "t2", 2, 8),
  T3(18, "t3", 3, 8),
  T4(19, "t4", 4, 8),
  T5(20, "t5", 5, 8);

  /** Every tensor, and every unit within it, starts at a multiple of this. */
  public static final int ALIGNMENT_BYTES = 64;

  private final int id;
  private final String jsonName;
  private final int codeBits;
  private final int columnsPerBlock;

  Encoding(int id, String jsonName, int codeBits, int columnsPerBlock) {
    this.id = id;
    this.jsonName = jsonName;
    this.codeBits = codeBits;
    this.columnsPerBlock = columnsPerBlock;
  }

  /** The permanent number. */
  public int id() {
    return id;
  }

  /** The permanent name, as it stands in manifests, plans and policies. */
  public String jsonName() {
    return jsonName;
  }

  /** Bits of one value, scales not counted. */
  public int codeBits() {
    return codeBits;
  }

  /** Rows that stand interleaved. */
  public int rowsPerPanel() {
    return isTrellis() ? TrellisPanel.ROWS : ScalarGrid.LANES;
  }

  public int columnsPerBlock() {
    return columnsPerBlock;
  }

  /** Whether values lie on a scaled grid. */
  public boolean isScalar() {
    return columnsPerBlock == ScalarGrid.COLUMNS_PER_BLOCK;
  }

  /** Whether values are those of a trellis code, scaled. */
  public boolean isTrellis() {
    return columnsPerBlock == TrellisPanel.COLUMNS_PER_BLOCK;
  }

  /** Whether values are codes, so that a panel begins with scales, and not floats. */
  public boolean isQuantized() {
    return isScalar() || isTrellis();
  }

  /** Whether tensors of this shape can have this encoding: vectors are f32 or bf16. */
  public boolean fits(TensorShape shape) {
    return !shape.isVector() || !isQuantized();
  }

  /** Number of panels of a matrix with {@code rows} rows. */
  public int panelCount(int rows) {
    return Math.ceilDiv(rows, rowsPerPanel());
  }

  /** Number of blocks in a panel with {@code columns} columns. */
  public int blockCount(int columns) {
    return Math.ceilDiv(columns, columnsPerBlock);
  }

  /** Bytes of the codes of one block. */
  public int blockBytes() {
    return rowsPerPanel() * columnsPerBlock * codeBits / Byte.SIZE;
  }

  /** Where the first block's codes start in a panel: after the scales, if there are any. */
  public long codesOffsetBytes(int columns) {
    if (isTrellis()) {
      return TrellisPanel.HEADER_BYTES;
    }
    return isScalar() ? ScalarGrid.headerBytes(blockCount(columns)) : 0;
  }

  /** Bytes of one panel with {@code columns} columns, a multiple of {@link #ALIGNMENT_BYTES}. */
  public long panelBytes(int columns) {
    return Math.addExact(
        codesOffsetBytes(columns), Math.multiplyExact((long) blockCount(columns), blockBytes()));
  }

  /**
   * Bytes of an encoded tensor, a multiple of {@link #ALIGNMENT_BYTES}.
   *
   * @throws IllegalArgumentException when the encoding does not fit the shape
   */
  public long encodedBytes(TensorShape shape) {
    if (!fits(shape)) {
      throw new IllegalArgumentException(jsonName + " cannot hold a vector " + shape);
    }
    if (shape.isVector()) {
      return alignUp((long) shape.columns() * codeBits / Byte.SIZE, ALIGNMENT_BYTES);
    }
    return Math.multiplyExact((long) panelCount(shape.rows()), panelBytes(shape.columns()));
  }

  /** The scalar definition of this encoding's values. */
  public BlockDecoder decoder() {
    return switch (this) {
      case F32 -> new F32Decoder();
      case BF16 -> new BF16Decoder();
      case Q8, Q6, Q5, Q4, Q3, Q2 -> new ScalarDecoder(this);
      case T1, T2, T3, T4, T5 -> new TrellisDecoder(this);
    };
  }

  public static Optional<Encoding> ofName(String jsonName) {
    for (Encoding encoding : values()) {
      if (encoding.jsonName.equals(jsonName)) {
        return Optional.of(encoding);
      }
    }
    return Optional.empty();
  }

  /** The smallest multiple of {@code alignment} that is at least {@code value}. */
  public static long alignUp(long value, int alignment) {
    return Math.multiplyExact(Math.ceilDiv(value, alignment), (long) alignment);
  }
}
