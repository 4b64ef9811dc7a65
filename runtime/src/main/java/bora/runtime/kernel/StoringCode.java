package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;
import static bora.runtime.machine.Gpr.RSI;

import bora.formats.encoding.ScalarGrid;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;

/**
 * Assembles the storing of a key's or value's components: sixteen are rounded as {@link
 * CachedFloats#put} does it, and then stored one by one, since those of a key are apart.
 */
final class StoringCode {
  // Parameters: offsets and strides in bytes.
  /** Where in the first array the components are. */
  static final int X_OFFSET = 0;

  /** Where in the second array the first goes. */
  static final int CACHE_OFFSET = 8;

  /** From where one goes to where the next does. */
  static final int STRIDE = 16;

  /** Whole vectors of components. */
  static final int VECTORS = 24;

  /** Components behind these, and a mask for them. */
  static final int REST = 32;

  static final int REST_MASK = 40;

  /** Receives a vector's rounded components. */
  private static final int ROUNDED = 64;

  private static final MaskRegister LANES = MaskRegister.K1;
  private static final MaskRegister NOT_A_NUMBER = MaskRegister.K2;
  private static final int QUIET_BFLOAT16 = 0x40;

  private final Assembler a = new Assembler();
  private final CacheFormat format;
  private final Zmm x = new Zmm(0);
  private final Zmm rounded = new Zmm(1);
  private final Label one = new Label();
  private final Label belowHalf = new Label();
  private final Label quiet = new Label();

  private StoringCode(CacheFormat format) {
    this.format = format;
  }

  static MachineCode of(CacheFormat format) {
    return MachineCode.of(new StoringCode(format).assemble());
  }

  private Assembler assemble() {
    a.add(RSI, Address.of(RDI, X_OFFSET));
    a.add(RDX, Address.of(RDI, CACHE_OFFSET));
    a.mov(R8, Address.of(RDI, STRIDE));
    a.mov(RAX, (1L << ScalarGrid.LANES) - 1);
    a.kmovw(LANES, RAX);
    Label rest = new Label();
    Label end = new Label();
    a.mov(R9, Address.of(RDI, VECTORS));
    a.test(R9, R9);
    a.jz(rest);
    Label vector = new Label();
    a.bind(vector);
    a.mov(R10, (long) ScalarGrid.LANES);
    storeVector();
    a.dec(R9);
    a.jnz(vector);
    a.bind(rest);
    a.mov(R10, Address.of(RDI, REST));
    a.test(R10, R10);
    a.jz(end);
    a.mov(RAX, Address.of(RDI, REST_MASK));
    a.kmovw(LANES, RAX);
    storeVector();
    a.bind(end);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    put(one, 1);
    put(belowHalf, 0x7FFF);
    put(quiet, QUIET_BFLOAT16);
    return a;
  }

  /** As many components as R10 says. */
  private void storeVector() {
    a.vmovups(x, LANES, Address.of(RSI, 0));
    a.add(RSI, ScalarGrid.LANES * Float.BYTES);
    Address to = Address.of(RDI, ROUNDED);
    switch (format) {
      case FLOAT32 -> a.vmovups(to, x);
      case FLOAT16 -> a.vcvtps2ph(to, x);
      case BFLOAT16 -> {
        roundToBFloat16();
        a.vpmovdw(to, rounded);
      }
    }
    a.lea(R11, to);
    Label component = new Label();
    a.bind(component);
    a.movDword(RAX, Address.of(R11, 0));
    if (format == CacheFormat.FLOAT32) {
      a.movDword(Address.of(RDX, 0), RAX);
    } else {
      a.movWord(Address.of(RDX, 0), RAX);
    }
    a.add(RDX, R8);
    a.add(R11, format.bytes());
    a.dec(R10);
    a.jnz(component);
  }

  /** {@link bora.formats.encoding.BFloat16#fromFloat}, of every lane. */
  private void roundToBFloat16() {
    a.vpsrld(rounded, x, Short.SIZE);
    a.vpandd(rounded, rounded, Address.of(one).toEveryLane());
    a.vpaddd(rounded, rounded, Address.of(belowHalf).toEveryLane());
    a.vpaddd(rounded, rounded, x);
    a.vcmpunordps(NOT_A_NUMBER, x);
    a.vpsrld(rounded, rounded, Short.SIZE);
    a.vpsrld(x, x, Short.SIZE);
    a.vpord(x, x, Address.of(quiet).toEveryLane());
    a.vmovaps(rounded, NOT_A_NUMBER, x);
  }

  private void put(Label label, int word) {
    a.bind(label);
    a.words(word);
  }
}
