package bora.runtime.kernel;

import bora.formats.encoding.ScalarGrid;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Gpr;
import bora.runtime.machine.Label;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;

/** Assembles what {@link GridScales} computes: the steps of a block, row scale times sub-scale. */
final class AssembledScales {
  /** Lanes whose index is in the second word of a block's indices. */
  private static final long SECOND_WORD = 0xFF00;

  private static final MaskRegister SECOND = MaskRegister.K4;

  private final Label shifts = new Label();
  private final Label subScales = new Label();

  /** Assembles what is the same for all blocks; takes the mask register K4. */
  void prepare(Assembler a) {
    a.mov(Gpr.RAX, SECOND_WORD);
    a.kmovw(SECOND, Gpr.RAX);
  }

  /** Assembles the loading of a panel's row scales. */
  static void loadRowScales(Assembler a, Zmm rowScales, Address panel) {
    a.vpmovzxwd(rowScales, panel);
    a.vpslld(rowScales, rowScales, 16);
  }

  /**
   * Assembles the steps of a block.
   *
   * @param low address of the word with the indices of the lower eight lanes, {@code high} of that
   *     of the upper
   */
  void step(Assembler a, Zmm step, Zmm rowScales, Address low, Address high) {
    a.vpbroadcastd(step, low);
    a.vpbroadcastd(step, SECOND, high);
    a.vpsrlvd(step, step, Address.of(shifts));
    a.vpermps(step, step, Address.of(subScales));
    a.vmulps(step, step, rowScales);
  }

  /** Assembles the constants, to stand behind the code. */
  void putConstants(Assembler a) {
    a.align(64);
    a.bind(shifts);
    for (int lane = 0; lane < ScalarGrid.LANES; lane++) {
      a.words(4 * (lane % 8));
    }
    a.bind(subScales);
    for (int i = 0; i < ScalarGrid.SUB_SCALE_COUNT; i++) {
      a.words(Float.floatToRawIntBits(ScalarGrid.subScale(i)));
    }
  }
}
