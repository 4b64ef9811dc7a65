package bora.formats;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class StagingBuffersTest {
  private static final int ALIGNMENT = 4096;

  private final StagingBuffers buffers = new StagingBuffers(ALIGNMENT);

  @AfterEach
  void close() {
    buffers.close();
  }

  private static long address(StagingBuffers.Loan loan) {
    return MemorySegment.ofBuffer(loan.bytes().duplicate().clear()).address();
  }

  private static boolean isAlive(ByteBuffer bytes) {
    return MemorySegment.ofBuffer(bytes).scope().isAlive();
  }

  /** Lends one buffer and takes it back. */
  private ByteBuffer lendAndTakeBack(int capacity) {
    try (StagingBuffers.Loan loan = buffers.take(capacity)) {
      return loan.bytes();
    }
  }

  @Test
  void lendsAlignedBuffersOfTheCapacityAskedFor() {
    for (int capacity : new int[] {0, 1, ALIGNMENT, 5 * ALIGNMENT, 3}) {
      try (StagingBuffers.Loan loan = buffers.take(capacity)) {
        assertEquals(capacity, loan.bytes().remaining());
        assertEquals(capacity, loan.bytes().capacity());
        assertTrue(capacity == 0 || address(loan) % ALIGNMENT == 0);
      }
    }
  }

  @Test
  void whatWasGivenBackIsLentAgainWhereItIsLargeEnough() {
    long first;
    try (StagingBuffers.Loan loan = buffers.take(2 * ALIGNMENT)) {
      first = address(loan);
      loan.bytes().put(new byte[7]);
    }
    try (StagingBuffers.Loan again = buffers.take(ALIGNMENT)) {
      assertEquals(first, address(again));
      assertEquals(ALIGNMENT, again.bytes().remaining());
      try (StagingBuffers.Loan other = buffers.take(ALIGNMENT)) {
        assertNotEquals(first, address(other));
      }
    }
  }

  @Test
  void ofSeveralTheSmallestThatIsLargeEnoughIsLent() {
    StagingBuffers.Loan large = buffers.take(3 * ALIGNMENT);
    StagingBuffers.Loan small = buffers.take(2 * ALIGNMENT);
    long expected = address(small);
    large.close();
    small.close();
    try (StagingBuffers.Loan found = buffers.take(ALIGNMENT)) {
      assertEquals(expected, address(found));
    }
  }

  @Test
  void whatIsTooSmallGoesWhenALargerOneIsMade() {
    ByteBuffer small = lendAndTakeBack(ALIGNMENT);
    assertTrue(isAlive(small));
    ByteBuffer large = lendAndTakeBack(2 * ALIGNMENT);
    assertFalse(isAlive(small));
    assertTrue(isAlive(large));
  }

  @Test
  void nothingIsLeftOnceClosedAndGivenBack() {
    StagingBuffers.Loan lent = buffers.take(ALIGNMENT);
    ByteBuffer idle = lendAndTakeBack(ALIGNMENT);
    buffers.close();
    assertFalse(isAlive(idle));
    assertTrue(isAlive(lent.bytes()));
    lent.close();
    assertFalse(isAlive(lent.bytes()));
  }

  @Test
  void aLoanGivenBackTwiceIsLentOnce() {
    StagingBuffers.Loan loan = buffers.take(ALIGNMENT);
    loan.close();
    loan.close();
    try (StagingBuffers.Loan one = buffers.take(ALIGNMENT);
        StagingBuffers.Loan other = buffers.take(ALIGNMENT)) {
      assertNotEquals(address(one), address(other));
    }
  }
}
