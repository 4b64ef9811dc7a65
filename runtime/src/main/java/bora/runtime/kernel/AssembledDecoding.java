package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RDI;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.Zmm;

/**
 * Assembles the decoding of some blocks of a panel to floats, bit by bit as the encoding's decoder
 * has it: column c at {@code 64 * c} bytes, counted from the first block's.
 */
final class AssembledDecoding {
  // Parameters.
  static final int PANEL = 0;

  /** Address of the first block's indices of sub-scales, less their place in a panel. */
  static final int SCALES = 8;

  /** Address of the first block's codes. */
  static final int CODES = 16;

  static final int BLOCKS = 24;

  /** Address that receives the floats. */
  static final int TILE = 32;

  private static final int COLUMN_BYTES = AssembledFloatTile.COLUMN_BYTES;

  private final Assembler a = new Assembler();
  private final Encoding encoding;
  private final Label bytes = new Label();
  private final Label middle = new Label();
  private final Label highHalf = new Label();

  private final Zmm rowScales = new Zmm(0);
  private final Zmm step = new Zmm(1);
  private final Zmm value = new Zmm(2);
  private final Zmm byteMask = new Zmm(3);
  private final Zmm middles = new Zmm(4);

  private AssembledDecoding(Encoding encoding) {
    this.encoding = encoding;
  }

  /**
   * @param encoding none of the trellis codes, for which see {@link AssembledTrellisUnpacking}
   */
  static MachineCode of(Encoding encoding) {
    AssembledDecoding decoding = new AssembledDecoding(encoding);
    if (encoding.isScalar()) {
      decoding.assembleScalar();
    } else {
      decoding.assembleDense();
    }
    return MachineCode.of(decoding.a);
  }

  private void assembleScalar() {
    AssembledScales scales = new AssembledScales();
    CodeUnpacker unpacker = new CodeUnpacker(encoding, 16, 1);
    byte[] order = CodeOrder.of(encoding);
    scales.prepare(a);
    unpacker.prepare(a);
    a.vpbroadcastd(byteMask, Address.of(bytes));
    a.vpbroadcastd(middles, Address.of(middle));
    a.mov(RAX, Address.of(RDI, PANEL));
    AssembledScales.loadRowScales(a, rowScales, Address.of(RAX, 0));
    a.mov(R8, Address.of(RDI, SCALES));
    Label block = beginBlocks();
    int indices = (int) ScalarGrid.subScalesOffsetBytes(0);
    scales.step(
        a, step, rowScales, Address.of(R8, indices), Address.of(R8, indices + Integer.BYTES));
    for (int group = 0; group < unpacker.groups(); group++) {
      unpacker.unpack(
          a,
          group,
          (panel, unit) -> Address.of(RAX, unit * ScalarCodes.UNIT_BYTES),
          (index, codes) -> decode(order, index, codes[0]));
    }
    a.add(R8, Long.BYTES);
    endBlocks(block);
    scales.putConstants(a);
    unpacker.putConstants(a);
    a.bind(bytes);
    a.words(0xFF);
    a.bind(middle);
    // Of 2^b codes, none stands for zero.
    a.words(Float.floatToRawIntBits((1 << (encoding.codeBits() - 1)) - 0.5f));
  }

  /** Four columns, a byte each. */
  private void decode(byte[] order, int index, Zmm codes) {
    for (int i = 0; i < Integer.BYTES; i++) {
      difference(a, value, codes, i, byteMask, middles);
      a.vmulps(value, value, step);
      a.vmovups(Address.of(R9, COLUMN_BYTES * order[Integer.BYTES * index + i]), value);
    }
  }

  /**
   * Assembles how far codes are from the middle of them all.
   *
   * @param place which byte of each lane is a code
   * @param byteMask 0xFF in each lane
   */
  static void difference(Assembler a, Zmm value, Zmm codes, int place, Zmm byteMask, Zmm middles) {
    if (place == 0) {
      a.vpandd(value, codes, byteMask);
    } else {
      a.vpsrld(value, codes, Byte.SIZE * place);
      a.vpandd(value, value, byteMask);
    }
    a.vcvtdq2ps(value, value);
    a.vsubps(value, value, middles);
  }

  private void assembleDense() {
    a.vpbroadcastd(byteMask, Address.of(highHalf));
    Label block = beginBlocks();
    a.vmovups(value, Address.of(RAX, 0));
    if (encoding == Encoding.BF16) {
      a.vpslld(step, value, Short.SIZE);
      a.vmovups(Address.of(R9, 0), step);
      a.vpandd(value, value, byteMask);
      a.vmovups(Address.of(R9, COLUMN_BYTES), value);
    } else {
      a.vmovups(Address.of(R9, 0), value);
    }
    endBlocks(block);
    a.bind(highHalf);
    a.words(0xFFFF_0000);
  }

  private Label beginBlocks() {
    a.mov(RAX, Address.of(RDI, CODES));
    a.mov(R10, Address.of(RDI, BLOCKS));
    a.mov(R9, Address.of(RDI, TILE));
    Label block = new Label();
    a.bind(block);
    return block;
  }

  private void endBlocks(Label block) {
    a.add(RAX, encoding.blockBytes());
    a.add(R9, COLUMN_BYTES * encoding.columnsPerBlock());
    a.dec(R10);
    a.jnz(block);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
  }
}
