package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;
import static bora.runtime.machine.Gpr.RSI;

import bora.formats.encoding.ScalarCodes;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Gpr;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;

/**
 * Assembles the product of a tile, two panels by some blocks that {@link AssembledUnpacking} has
 * unpacked, and a few tokens at once, over and over until all have passed. Activations have {@link
 * ActivationDigits#ONE} digit. What a tile comes to is added to the result, tile by tile.
 */
final class AssembledTile {
  // Parameters.
  /** Address of the first panel's codes; the second's are {@link #PANEL_TILE_BYTES} behind. */
  static final int TILE = 0;

  static final int STEPS = 8;
  static final int STEPS_END = 16;

  /** Address of the first token's record of the first block. */
  static final int RECORDS = 24;

  /** From one token to the next. */
  static final int RECORDS_STRIDE = 32;

  /** Where the last token's records would be followed by the next token's. */
  static final int RECORDS_END = 40;

  /** Where in the array the first token's first row is, in bytes. */
  static final int Y_OFFSET = 48;

  /** From one token to the next, in bytes. */
  static final int Y_STRIDE = 56;

  /** The rows that exist of the first panel; those of the second follow. */
  static final int ROW_MASKS = 64;

  /** The rows to whose sums the tile's are added, in the same way; others begin with this tile. */
  static final int ADDED_MASKS = 80;

  /** The most tokens at once: their sums and totals of two panels fill 24 registers. */
  static final int MAX_TOKENS = 6;

  /** The most blocks of a tile. */
  static final int MAX_BLOCKS = 4;

  static final int PANEL_TILE_BYTES = MAX_BLOCKS * AssembledUnpacking.BLOCK_BYTES;

  /** Panels of a tile. */
  static final int PANELS = 2;

  /** Bytes of a tile. */
  static final int TILE_BYTES = PANELS * PANEL_TILE_BYTES;

  /** Bytes of a tile's steps. */
  static final int STEPS_BYTES = MAX_BLOCKS * AssembledUnpacking.STEPS_BYTES;

  private static final ActivationDigits DIGITS = ActivationDigits.ONE;

  private static final MaskRegister[] ROWS = {MaskRegister.K1, MaskRegister.K2};
  private static final MaskRegister[] ADDED = {MaskRegister.K3, MaskRegister.K4};

  private final Assembler a = new Assembler();
  private final int tokens;

  private final Zmm[] codes = {new Zmm(24), new Zmm(25)};
  private final Zmm[] steps = {new Zmm(26), new Zmm(27)};
  private final Zmm[] activations = {new Zmm(28), new Zmm(29)};
  private final Zmm step = new Zmm(30);
  private final Zmm half = new Zmm(31);

  private AssembledTile(int tokens) {
    this.tokens = tokens;
  }

  /**
   * @param tokens at once, 1 to {@link #MAX_TOKENS}
   */
  static MachineCode of(int tokens) {
    return MachineCode.of(new AssembledTile(tokens).assemble());
  }

  private Zmm sum(int token, int panel) {
    return new Zmm(PANELS * token + panel);
  }

  private Zmm total(int token, int panel) {
    return new Zmm(PANELS * (MAX_TOKENS + token) + panel);
  }

  /** An address in a token's record: three tokens go by one register. */
  private static Address inRecord(int token, int offset) {
    Gpr base = token < 3 ? R10 : R11;
    return token % 3 == 0 ? Address.of(base, offset) : Address.of(base, R9, token % 3, offset);
  }

  private Assembler assemble() {
    a.add(RSI, Address.of(RDI, Y_OFFSET));
    for (int panel = 0; panel < PANELS; panel++) {
      a.mov(RAX, Address.of(RDI, ROW_MASKS + Long.BYTES * panel));
      a.kmovw(ROWS[panel], RAX);
      a.mov(RAX, Address.of(RDI, ADDED_MASKS + Long.BYTES * panel));
      a.kmovw(ADDED[panel], RAX);
    }
    a.mov(R8, Address.of(RDI, RECORDS));
    a.mov(R9, Address.of(RDI, RECORDS_STRIDE));
    Label group = new Label();
    a.bind(group);
    a.mov(R10, R8);
    a.lea(R11, Address.of(R8, R9, 2, 0));
    a.add(R11, R9);
    a.mov(RAX, Address.of(RDI, TILE));
    a.mov(RDX, Address.of(RDI, STEPS));
    for (int token = 0; token < tokens; token++) {
      for (int panel = 0; panel < PANELS; panel++) {
        a.vpxord(total(token, panel), total(token, panel), total(token, panel));
      }
    }
    Label block = new Label();
    a.bind(block);
    addBlock();
    a.add(RAX, AssembledUnpacking.BLOCK_BYTES);
    a.add(RDX, AssembledUnpacking.STEPS_BYTES);
    a.add(R10, DIGITS.recordBytes());
    a.add(R11, DIGITS.recordBytes());
    a.cmp(RDX, Address.of(RDI, STEPS_END));
    a.jb(block);
    addTotals();
    a.cmp(R8, Address.of(RDI, RECORDS_END));
    a.jb(group);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    return a;
  }

  private void addBlock() {
    for (int token = 0; token < tokens; token++) {
      a.vpbroadcastd(sum(token, 0), inRecord(token, DIGITS.startOffset(0)));
      a.vmovdqa32(sum(token, 1), sum(token, 0));
    }
    for (int vector = 0; vector < CodeUnpacker.VECTORS; vector++) {
      for (int panel = 0; panel < PANELS; panel++) {
        int offset = panel * PANEL_TILE_BYTES + vector * ScalarCodes.UNIT_BYTES;
        a.vmovdqu32(codes[panel], Address.of(RAX, offset));
      }
      for (int token = 0; token < tokens; token++) {
        Zmm x = activations[token % 2];
        a.vpbroadcastd(x, inRecord(token, DIGITS.planeOffset(0) + Integer.BYTES * vector));
        for (int panel = 0; panel < PANELS; panel++) {
          a.vpdpbusd(sum(token, panel), codes[panel], x);
        }
      }
    }
    for (int panel = 0; panel < PANELS; panel++) {
      a.vmovups(steps[panel], Address.of(RDX, panel * ScalarCodes.UNIT_BYTES));
    }
    for (int token = 0; token < tokens; token++) {
      a.vpbroadcastd(step, inRecord(token, DIGITS.stepOffset()));
      a.vpbroadcastd(half, inRecord(token, DIGITS.halfOffset()));
      for (int panel = 0; panel < PANELS; panel++) {
        Zmm sum = sum(token, panel);
        a.vcvtdq2ps(sum, sum);
        a.vfmadd213ps(sum, step, half);
        a.vfmadd231ps(total(token, panel), steps[panel], sum);
      }
    }
  }

  /** Adds the totals to the array, and goes on to the next tokens. */
  private void addTotals() {
    a.mov(RCX, Address.of(RDI, Y_STRIDE));
    for (int token = 0; token < tokens; token++) {
      for (int panel = 0; panel < PANELS; panel++) {
        Address y = Address.of(RSI, panel * ScalarCodes.UNIT_BYTES);
        a.vmovups(codes[panel], ADDED[panel], y);
        a.vaddps(codes[panel], codes[panel], total(token, panel));
        a.vmovups(y, ROWS[panel], codes[panel]);
      }
      a.add(RSI, RCX);
      a.add(R8, R9);
    }
  }
}
