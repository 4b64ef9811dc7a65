package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
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

/** Assembles the unpacking of some blocks of a panel into a tile: bytes of codes, and steps. */
final class AssembledUnpacking {
  // Parameters.
  static final int PANEL = 0;

  /** Address of the first block's indices of sub-scales, less their place in a panel. */
  static final int SCALES = 8;

  /** Address of the first block's codes. */
  static final int CODES = 16;

  static final int BLOCKS = 24;

  /** Address that receives {@link #BLOCK_BYTES} for each block. */
  static final int TILE = 32;

  /** Address that receives a vector for each block, {@link #STEPS_BYTES} apart. */
  static final int STEPS = 40;

  /** Bytes of an unpacked block. */
  static final int BLOCK_BYTES = CodeUnpacker.VECTORS * ScalarCodes.UNIT_BYTES;

  /** From the steps of a block to those of the next: the two panels of a tile have theirs in it. */
  static final int STEPS_BYTES = 2 * ScalarCodes.UNIT_BYTES;

  private AssembledUnpacking() {}

  static MachineCode of(Encoding encoding) {
    Assembler a = new Assembler();
    AssembledScales scales = new AssembledScales();
    CodeUnpacker unpacker = new CodeUnpacker(encoding, 16, 1);
    Zmm rowScales = new Zmm(0);
    Zmm step = new Zmm(1);
    scales.prepare(a);
    unpacker.prepare(a);
    a.mov(RAX, Address.of(RDI, PANEL));
    AssembledScales.loadRowScales(a, rowScales, Address.of(RAX, 0));
    a.mov(R8, Address.of(RDI, SCALES));
    a.mov(RAX, Address.of(RDI, CODES));
    a.mov(R10, Address.of(RDI, BLOCKS));
    a.mov(R9, Address.of(RDI, TILE));
    a.mov(R11, Address.of(RDI, STEPS));
    Label block = new Label();
    a.bind(block);
    for (int group = 0; group < unpacker.groups(); group++) {
      unpacker.unpack(
          a,
          group,
          (panel, unit) -> Address.of(RAX, unit * ScalarCodes.UNIT_BYTES),
          (index, codes) -> a.vmovdqu32(Address.of(R9, index * ScalarCodes.UNIT_BYTES), codes[0]));
    }
    int indices = (int) ScalarGrid.subScalesOffsetBytes(0);
    scales.step(
        a, step, rowScales, Address.of(R8, indices), Address.of(R8, indices + Integer.BYTES));
    a.vmovups(Address.of(R11, 0), step);
    a.add(RAX, encoding.blockBytes());
    a.add(R8, Long.BYTES);
    a.add(R9, BLOCK_BYTES);
    a.add(R11, STEPS_BYTES);
    a.dec(R10);
    a.jnz(block);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    scales.putConstants(a);
    unpacker.putConstants(a);
    return MachineCode.of(a);
  }
}
