package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RDI;

import bora.formats.encoding.ScalarGrid;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;

/**
 * Assembles the making of a token's {@link PairTables}. The values of half a unit are four vectors,
 * one for each upper code; of each they have four lanes for each of four pairs, one for each lower
 * code. So packed, their digits are a table.
 */
final class AssembledPairTables {
  // Parameters.
  /** Address of a token's activations, in whole blocks. */
  static final int X = 0;

  /** Address that receives the tables. */
  static final int TABLES = 8;

  static final int BLOCKS = 16;

  /** The lanes of the second pair, the third and the fourth. */
  private static final MaskRegister[] LANES = {MaskRegister.K1, MaskRegister.K3, MaskRegister.K4};

  private static final int LANES_OF_PAIR = PairTables.CODES;

  private final Assembler a = new Assembler();
  private final AssembledNumbers numbers = new AssembledNumbers(PairTables.DIGITS);

  // Activations of a half of a unit: of lower columns in 0 to 7, of upper ones in 8 to 15.
  private final Zmm step = new Zmm(16);
  private final Zmm inverse = new Zmm(17);
  private final Zmm temporary = new Zmm(18);
  private final Zmm other = new Zmm(19);
  private final Zmm lowerLevels = new Zmm(20);
  private final Zmm magnitude = new Zmm(21);
  private final Zmm[] values = {new Zmm(22), new Zmm(23), new Zmm(24), new Zmm(25)};
  private final Zmm[] planes = {new Zmm(26), new Zmm(27), new Zmm(28), new Zmm(29)};

  private final Label lowerLevel = new Label();
  private final Label[] levels = {new Label(), new Label(), new Label(), new Label()};

  private AssembledPairTables() {}

  static MachineCode assembled() {
    return MachineCode.of(new AssembledPairTables().assemble());
  }

  private static Zmm lower(int unit, int half) {
    return new Zmm(unit * PairTables.HALVES + half);
  }

  private static Zmm upper(int unit, int half) {
    return new Zmm((PairTables.UNITS + unit) * PairTables.HALVES + half);
  }

  private Assembler assemble() {
    for (int i = 0; i < LANES.length; i++) {
      a.mov(RAX, 0xFL << (LANES_OF_PAIR * (i + 1)));
      a.kmovw(LANES[i], RAX);
    }
    a.vmovups(lowerLevels, Address.of(lowerLevel));
    a.mov(R8, Address.of(RDI, X));
    a.mov(R9, Address.of(RDI, TABLES));
    a.mov(R10, Address.of(RDI, BLOCKS));
    Label block = new Label();
    a.bind(block);
    a.vpxord(magnitude, magnitude, magnitude);
    forEachHalf(this::load);
    AssembledNumbers.overLanes(a, magnitude, other, a::vpmaxud);
    numbers.findSteps(a, magnitude, step, inverse, temporary);
    a.vmovups(Address.of(R9, PairTables.STEP_OFFSET), step);
    forEachHalf(this::store);
    a.add(R8, ScalarGrid.COLUMNS_PER_BLOCK * Float.BYTES);
    a.add(R9, PairTables.BLOCK_BYTES);
    a.dec(R10);
    a.jnz(block);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    putConstants();
    return a;
  }

  private interface Half {
    void assemble(int unit, int half);
  }

  private static void forEachHalf(Half step) {
    for (int unit = 0; unit < PairTables.UNITS; unit++) {
      for (int half = 0; half < PairTables.HALVES; half++) {
        step.assemble(unit, half);
      }
    }
  }

  /** Loads the activations of four pairs, and takes their largest values into account. */
  private void load(int unit, int half) {
    Zmm lower = lower(unit, half);
    Zmm upper = upper(unit, half);
    for (int pair = 0; pair < PairTables.PAIRS_OF_HALF; pair++) {
      Address lowerX = activation(PairTables.lowerColumn(unit, half, pair));
      Address upperX = activation(PairTables.upperColumn(unit, half, pair));
      if (pair == 0) {
        a.vpbroadcastd(lower, lowerX);
        a.vpbroadcastd(upper, upperX);
      } else {
        a.vpbroadcastd(lower, LANES[pair - 1], lowerX);
        a.vpbroadcastd(upper, LANES[pair - 1], upperX);
      }
    }
    Address largest = Address.of(levels[PairTables.CODES - 1]).toEveryLane();
    numbers.magnitudes(a, temporary, lower);
    numbers.magnitudes(a, other, upper);
    a.vmulps(temporary, temporary, largest);
    a.vfmadd231ps(temporary, other, largest);
    a.vpmaxud(magnitude, magnitude, temporary);
  }

  private static Address activation(int column) {
    return Address.of(R8, column * Float.BYTES);
  }

  private void store(int unit, int half) {
    Zmm lower = lower(unit, half);
    Zmm upper = upper(unit, half);
    a.vmulps(lower, lower, inverse);
    a.vmulps(upper, upper, inverse);
    a.vmulps(lower, lower, lowerLevels);
    for (int code = 0; code < PairTables.CODES; code++) {
      a.vmovdqa32(values[code], lower);
      a.vfmadd231ps(values[code], upper, Address.of(levels[code]).toEveryLane());
    }
    numbers.takeDigits(a, values, planes);
    for (int digit = 0; digit < PairTables.DIGITS.count(); digit++) {
      a.vmovdqu32(Address.of(R9, PairTables.tableOffset(unit, half, digit)), planes[digit]);
    }
  }

  private void putConstants() {
    a.align(64);
    a.bind(lowerLevel);
    for (int lane = 0; lane < ScalarGrid.LANES; lane++) {
      a.words(Float.floatToRawIntBits(PairTables.level(lane % PairTables.CODES)));
    }
    for (int code = 0; code < PairTables.CODES; code++) {
      a.bind(levels[code]);
      a.words(Float.floatToRawIntBits(PairTables.level(code)));
    }
    numbers.putConstants(a);
  }
}
