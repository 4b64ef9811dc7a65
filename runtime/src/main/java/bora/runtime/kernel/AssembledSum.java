package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;

import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.Zmm;
import java.lang.foreign.MemorySegment;

/** The sum of memory's 32-bit words in machine code. */
final class AssembledSum {
  // Parameters.
  private static final int START = 0;
  private static final int END = 8;

  /** Receives a vector of sums. */
  private static final int SUMS = 64;

  private static final int VECTOR_BYTES = 64;
  private static final int VECTORS = 4;
  private static final int STEP_BYTES = VECTORS * VECTOR_BYTES;

  /** Read in a tenth of a millisecond: as long as the garbage collector can wait. */
  private static final long CALL_BYTES = 1 << 20;

  private static final MachineCode CODE = assemble();

  private AssembledSum() {}

  /** Of all bytes but those behind the last whole step. */
  static int of(MemorySegment bytes) {
    AssembledScratch scratch = AssembledScratch.ofThread();
    long end = bytes.address() + bytes.byteSize() / STEP_BYTES * STEP_BYTES;
    int sum = 0;
    for (long start = bytes.address(); start < end; start += CALL_BYTES) {
      scratch.setParameter(START, start);
      scratch.setParameter(END, Math.min(end, start + CALL_BYTES));
      CODE.run(scratch.parameters, MemorySegment.NULL);
      for (int pair = 0; pair < VECTOR_BYTES / Long.BYTES; pair++) {
        long words = scratch.parameter(SUMS + pair * Long.BYTES);
        sum += (int) words + (int) (words >>> Integer.SIZE);
      }
    }
    return sum;
  }

  private static MachineCode assemble() {
    Assembler a = new Assembler();
    Zmm[] sums = new Zmm[VECTORS];
    for (int i = 0; i < VECTORS; i++) {
      sums[i] = new Zmm(i);
      a.vpxord(sums[i], sums[i], sums[i]);
    }
    a.mov(RAX, Address.of(RDI, START));
    a.mov(RCX, Address.of(RDI, END));
    Label step = new Label();
    a.bind(step);
    for (int i = 0; i < VECTORS; i++) {
      a.vpaddd(sums[i], sums[i], Address.of(RAX, i * VECTOR_BYTES));
    }
    a.add(RAX, STEP_BYTES);
    a.cmp(RAX, RCX);
    a.jb(step);
    for (int i = 1; i < VECTORS; i++) {
      a.vpaddd(sums[0], sums[0], sums[i]);
    }
    a.vmovdqu32(Address.of(RDI, SUMS), sums[0]);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    return MachineCode.of(a);
  }
}
