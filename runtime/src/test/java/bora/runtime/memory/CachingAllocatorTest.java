package bora.runtime.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import bora.runtime.memory.CachingAllocator.Block;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CachingAllocatorTest {
  private static final long MIB = 1L << 20;

  @ParameterizedTest
  @CsvSource({
    "1, 512, 2",
    "512, 512, 2",
    "513, 1024, 2",
    "1048576, 1048576, 2",
    "1048577, 1049088, 20",
    "10485248, 10485248, 20",
    "10485760, 10485760, 10",
    "11534336, 12582912, 12"
  })
  void roundsRequestsAndSegments(long requestBytes, long allocatedBytes, long segmentMib) {
    CachingAllocator allocator = new CachingAllocator();
    allocator.allocate(TensorKind.WEIGHT, requestBytes);
    assertEquals(segmentMib * MIB, allocator.reservedBytes());
    // The last case: a remainder of at most 1 MiB stays with its block.
    assertEquals(allocatedBytes, allocator.peakAllocatedBytes());
  }

  @Test
  void reusesFreedNeighboursAsOneBlock() {
    CachingAllocator allocator = new CachingAllocator();
    Block first = allocator.allocate(TensorKind.HIDDEN_STATE, 8 * MIB);
    Block second = allocator.allocate(TensorKind.HIDDEN_STATE, 8 * MIB);
    allocator.free(second);
    allocator.free(first);
    allocator.allocate(TensorKind.HIDDEN_STATE, 20 * MIB);
    assertEquals(20 * MIB, allocator.reservedBytes());
  }

  @Test
  void takesTheSmallestBlockThatIsLargeEnough() {
    CachingAllocator allocator = new CachingAllocator();
    Block large = allocator.allocate(TensorKind.HIDDEN_STATE, 64 * MIB);
    Block fitting = allocator.allocate(TensorKind.HIDDEN_STATE, 32 * MIB);
    allocator.free(large);
    allocator.free(fitting);
    allocator.allocate(TensorKind.HIDDEN_STATE, 32 * MIB);
    allocator.allocate(TensorKind.HIDDEN_STATE, 64 * MIB);
    assertEquals(96 * MIB, allocator.reservedBytes());
  }

  @Test
  void refusesToFreeTwice() {
    CachingAllocator allocator = new CachingAllocator();
    Block block = allocator.allocate(TensorKind.LOGITS, 1);
    allocator.free(block);
    assertThrows(IllegalArgumentException.class, () -> allocator.free(block));
  }
}
