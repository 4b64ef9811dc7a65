package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.Zmm;

/**
 * Assembles the unpacking of some columns of a trellis panel into two tiles of 32 rows, one behind
 * the other, and of the row scales.
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

  /** Address that receives the row scales. */
  static final int SCALES = 32;

  private static final int VECTOR_BYTES = 64;

  private final Assembler a = new Assembler();
  private final TrellisLevels levels;

  private AssembledTrellisUnpacking(Encoding encoding) {
    levels = new TrellisLevels(encoding);
  }

  /** To tiles of {@link AssembledTile}: levels as codes, row scales as the steps of every block. */
  static MachineCode toCodes(Encoding encoding) {
    AssembledTrellisUnpacking unpacking = new AssembledTrellisUnpacking(encoding);
    unpacking.assembleToCodes();
    return MachineCode.of(unpacking.a);
  }

  /** To tiles of {@link AssembledFloatTile}: the values of states, and row scales as its scales. */
  static MachineCode toFloats(Encoding encoding) {
    AssembledTrellisUnpacking unpacking = new AssembledTrellisUnpacking(encoding);
    unpacking.assembleToFloats();
    return MachineCode.of(unpacking.a);
  }

  private void assembleToCodes() {
    storeScales(AssembledTile.MAX_BLOCKS);
    unpack(
        VECTOR_BYTES,
        (vector, codes) ->
            a.vmovdqu32(Address.of(R9, vector * AssembledTile.PANEL_TILE_BYTES), codes));
  }

  private void assembleToFloats() {
    Zmm value = new Zmm(0);
    Zmm byteMask = new Zmm(1);
    Zmm centres = new Zmm(2);
    Label mask = new Label();
    Label centre = new Label();
    a.vpbroadcastd(byteMask, Address.of(mask));
    a.vpbroadcastd(centres, Address.of(centre));
    storeScales(1);
    unpack(
        TrellisLevels.COLUMNS * AssembledFloatTile.COLUMN_BYTES,
        (vector, codes) -> {
          for (int c = 0; c < TrellisLevels.COLUMNS; c++) {
            AssembledDecoding.difference(a, value, codes, c, byteMask, centres);
            int offset =
                vector * AssembledFloatTile.PANEL_TILE_BYTES + c * AssembledFloatTile.COLUMN_BYTES;
            a.vmovups(Address.of(R9, offset), value);
          }
        });
    a.bind(mask);
    a.words(0xFF);
    a.bind(centre);
    a.words(Float.floatToRawIntBits(TrellisCode.CENTRE));
  }

  /**
   * @param groupBytes from what a group is unpacked to in a tile to the next group's
   */
  private void unpack(int groupBytes, TrellisLevels.Levels use) {
    levels.prepare(a);
    a.mov(RAX, Address.of(RDI, CODES));
    a.mov(RCX, Address.of(RDI, GROUPS));
    a.mov(R9, Address.of(RDI, TILE));
    Label group = new Label();
    a.bind(group);
    levels.decode(a, RAX, use);
    a.add(RAX, levels.groupBytes());
    a.add(R9, groupBytes);
    a.dec(RCX);
    a.jnz(group);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    levels.putConstants(a);
  }

  /**
   * Stores the scales of both tiles, one behind the other, those of a tile's panels side by side.
   *
   * @param times how often a tile has them
   */
  private void storeScales(int times) {
    Zmm scales = new Zmm(0);
    a.mov(R11, Address.of(RDI, PANEL));
    a.mov(R9, Address.of(RDI, SCALES));
    for (int v = 0; v < TrellisLevels.VECTORS; v++) {
      AssembledScales.loadRowScales(
          a, scales, Address.of(R11, (int) TrellisPanel.rowScaleOffsetBytes(ScalarGrid.LANES * v)));
      int tile = v / AssembledTile.PANELS;
      int panel = v % AssembledTile.PANELS;
      for (int i = 0; i < times; i++) {
        int place = AssembledTile.PANELS * (times * tile + i) + panel;
        a.vmovups(Address.of(R9, place * VECTOR_BYTES), scales);
      }
    }
  }
}
