package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RSI;

import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;

/**
 * Assembles the product of a tile of floats, two panels by some columns, and a few tokens at once,
 * over and over until all have passed. The sums are those of {@link TileKernels}.
 */
final class AssembledFloatTile {
  // Parameters.
  /** Address of the first panel's floats; the second's are {@link #PANEL_TILE_BYTES} behind. */
  static final int TILE = 0;

  static final int COLUMNS = 8;

  /** Address of the first token's activations; the next are {@link #TOKEN_BYTES} behind. */
  static final int X = 16;

  /** Where the last token's activations would be followed by the next token's. */
  static final int X_END = 24;

  /** Where in the array the first token's first row is, in bytes. */
  static final int Y_OFFSET = 32;

  /** From one token to the next, in bytes. */
  static final int Y_STRIDE = 40;

  /** The rows that exist of the first panel; those of the second follow. */
  static final int ROW_MASKS = 48;

  /** The rows to whose sums the tile's are added, in the same way; others begin with this tile. */
  static final int ADDED_MASKS = 64;

  /** Address of what the rows' sums are multiplied by in the end, a vector of each panel. */
  static final int SCALES = 80;

  /** The most tokens at once. */
  static final int MAX_TOKENS = 8;

  static final int PANELS = 2;
  static final int MAX_COLUMNS = 256;

  /** No power of two, for the caches. */
  static final int TOKEN_BYTES = (MAX_COLUMNS + 16) * Float.BYTES;

  static final int COLUMN_BYTES = 64;
  static final int PANEL_TILE_BYTES = MAX_COLUMNS * COLUMN_BYTES;

  /** Bytes of a tile. */
  static final int TILE_BYTES = PANELS * PANEL_TILE_BYTES;

  /** Bytes of a tile's scales. */
  static final int SCALES_BYTES = PANELS * COLUMN_BYTES;

  private static final MaskRegister[] ROWS = {MaskRegister.K1, MaskRegister.K2};
  private static final MaskRegister[] ADDED = {MaskRegister.K3, MaskRegister.K4};

  private final Assembler a = new Assembler();
  private final int tokens;
  private final Zmm[] weights = {new Zmm(16), new Zmm(17)};
  private final Zmm[] activations = {new Zmm(18), new Zmm(19)};
  private final Zmm[] scales = {new Zmm(20), new Zmm(21)};

  private AssembledFloatTile(int tokens) {
    this.tokens = tokens;
  }

  /**
   * @param tokens at once, 1 to {@link #MAX_TOKENS}
   */
  static MachineCode of(int tokens) {
    return MachineCode.of(new AssembledFloatTile(tokens).assemble());
  }

  private static Zmm sum(int token, int panel) {
    return new Zmm(PANELS * token + panel);
  }

  private Assembler assemble() {
    a.add(RSI, Address.of(RDI, Y_OFFSET));
    a.mov(R8, Address.of(RDI, SCALES));
    for (int panel = 0; panel < PANELS; panel++) {
      a.mov(RAX, Address.of(RDI, ROW_MASKS + Long.BYTES * panel));
      a.kmovw(ROWS[panel], RAX);
      a.mov(RAX, Address.of(RDI, ADDED_MASKS + Long.BYTES * panel));
      a.kmovw(ADDED[panel], RAX);
      a.vmovups(scales[panel], Address.of(R8, panel * COLUMN_BYTES));
    }
    a.mov(RCX, Address.of(RDI, Y_STRIDE));
    a.mov(R8, Address.of(RDI, X));
    Label group = new Label();
    a.bind(group);
    for (int token = 0; token < tokens; token++) {
      for (int panel = 0; panel < PANELS; panel++) {
        a.vpxord(sum(token, panel), sum(token, panel), sum(token, panel));
      }
    }
    a.mov(RAX, Address.of(RDI, TILE));
    a.mov(R10, R8);
    a.mov(R11, Address.of(RDI, COLUMNS));
    Label column = new Label();
    a.bind(column);
    for (int panel = 0; panel < PANELS; panel++) {
      a.vmovups(weights[panel], Address.of(RAX, panel * PANEL_TILE_BYTES));
    }
    for (int token = 0; token < tokens; token++) {
      Zmm x = activations[token % 2];
      a.vpbroadcastd(x, Address.of(R10, token * TOKEN_BYTES));
      for (int panel = 0; panel < PANELS; panel++) {
        a.vfmadd231ps(sum(token, panel), weights[panel], x);
      }
    }
    a.add(RAX, COLUMN_BYTES);
    a.add(R10, Float.BYTES);
    a.dec(R11);
    a.jnz(column);
    addSums();
    a.add(R8, tokens * TOKEN_BYTES);
    a.cmp(R8, Address.of(RDI, X_END));
    a.jb(group);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    return a;
  }

  /** Adds the sums to the array, scaled, and goes on to the next tokens. */
  private void addSums() {
    for (int token = 0; token < tokens; token++) {
      for (int panel = 0; panel < PANELS; panel++) {
        Address y = Address.of(RSI, panel * COLUMN_BYTES);
        a.vmovups(weights[panel], ADDED[panel], y);
        a.vaddps(weights[panel], weights[panel], sum(token, panel));
        a.vmulps(weights[panel], weights[panel], scales[panel]);
        a.vmovups(y, ROWS[panel], weights[panel]);
      }
      a.add(RSI, RCX);
    }
  }
}
