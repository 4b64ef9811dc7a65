package bora.runtime.kernel;

import bora.runtime.machine.MachineCode;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;

/** Reads memory as fast as vectors can: what the rate of a decode kernel is held against. */
public final class MemorySum {
  private static final boolean ASSEMBLED = MachineCode.unsupportedReason().isEmpty();

  private MemorySum() {}

  /**
   * A number that depends on all of the native memory, but for up to four vectors' bytes at its
   * end: so that no read can be left out.
   */
  public static long of(MemorySegment bytes) {
    return ASSEMBLED ? AssembledSum.of(bytes) : byVectors(bytes);
  }

  private static long byVectors(MemorySegment bytes) {
    LongVector sum0 = LongVector.zero(LongVector.SPECIES_PREFERRED);
    LongVector sum1 = sum0;
    LongVector sum2 = sum0;
    LongVector sum3 = sum0;
    long step = sum0.byteSize();
    long end = bytes.address() + bytes.byteSize() / (4 * step) * (4 * step);
    for (long address = bytes.address(); address < end; address += 4 * step) {
      sum0 = sum0.add(load(address));
      sum1 = sum1.add(load(address + step));
      sum2 = sum2.add(load(address + 2 * step));
      sum3 = sum3.add(load(address + 3 * step));
    }
    return sum0.add(sum1).add(sum2.add(sum3)).reduceLanes(VectorOperators.ADD);
  }

  private static LongVector load(long address) {
    return LongVector.fromMemorySegment(
        LongVector.SPECIES_PREFERRED, Lanes.MEMORY, address, Lanes.LITTLE_ENDIAN);
  }
}
