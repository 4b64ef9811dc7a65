package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisPanel;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.Zmm;

/**
 * Assembles the unpacking of some columns of a trellis panel into two tiles of 32 rows, one behind
 * the other: bytes of levels, and the row scales as the steps of every block.
 */
final class AssembledTrellisUnpacking {
  // Parameters.
  /** Address of the panel. */
  static final int PANEL = 0;

  /** Address of the first column. */
  static final int CODES = 8;

  /** How many groups of {@link TrellisLevels#COLUMNS} columns. */
  static final int GROUPS = 16;

  /** Address of the first tile. */
  static final int TILE = 24;

  /** Address of the first tile's steps. */
  static final int STEPS = 32;

  private static final int VECTOR_BYTES = 64;

  private AssembledTrellisUnpacking() {}

  static MachineCode of(Encoding encoding) {
    Assembler a = new Assembler();
    TrellisLevels levels = new TrellisLevels(encoding);
    levels.prepare(a);
    a.mov(R11, Address.of(RDI, PANEL));
    a.mov(R9, Address.of(RDI, STEPS));
    storeSteps(a);
    a.mov(RAX, Address.of(RDI, CODES));
    a.mov(RCX, Address.of(RDI, GROUPS));
    a.mov(R9, Address.of(RDI, TILE));
    Label group = new Label();
    a.bind(group);
    levels.decode(
        a,
        RAX,
        (vector, codes) ->
            a.vmovdqu32(Address.of(R9, vector * AssembledTile.PANEL_TILE_BYTES), codes));
    a.add(RAX, levels.groupBytes());
    a.add(R9, VECTOR_BYTES);
    a.dec(RCX);
    a.jnz(group);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    levels.putConstants(a);
    return MachineCode.of(a);
  }

  private static void storeSteps(Assembler a) {
    Zmm scales = new Zmm(0);
    for (int v = 0; v < TrellisLevels.VECTORS; v++) {
      AssembledScales.loadRowScales(
          a, scales, Address.of(R11, (int) TrellisPanel.rowScaleOffsetBytes(ScalarGrid.LANES * v)));
      for (int block = 0; block < AssembledTile.MAX_BLOCKS; block++) {
        int offset =
            v / AssembledTile.PANELS * AssembledTile.STEPS_BYTES
                + block * AssembledUnpacking.STEPS_BYTES
                + v % AssembledTile.PANELS * VECTOR_BYTES;
        a.vmovups(Address.of(R9, offset), scales);
      }
    }
  }
}
