package bora.runtime.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SystemMemoryTest {
  /** Too little for huge pages, the least that gets them, and no whole number of pages. */
  @ParameterizedTest
  @ValueSource(longs = {1, 4096, (8 << 20) - 1, 8 << 20, (9 << 20) + 13})
  void isZeroAndAlignedAndHoldsWhatIsWritten(long byteSize) {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment memory = SystemMemory.allocate(byteSize, arena);
      assertEquals(byteSize, memory.byteSize());
      assertEquals(0, memory.address() % 64);
      for (long offset = 0; offset < byteSize; offset += 4095) {
        assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, offset));
        memory.set(ValueLayout.JAVA_BYTE, offset, (byte) (offset % 127));
      }
      for (long offset = 0; offset < byteSize; offset += 4095) {
        assertEquals(offset % 127, memory.get(ValueLayout.JAVA_BYTE, offset));
      }
    }
  }

  @Test
  void isGivenBackWithItsArena() throws Exception {
    Path maps = Path.of("/proc/self/maps");
    assumeTrue(Files.exists(maps), "only Linux says what is mapped");
    MemorySegment memory;
    String start;
    try (Arena arena = Arena.ofShared()) {
      memory = SystemMemory.allocate(64 << 20, arena);
      // The mapping is the one that holds the first byte, wherever that begins.
      start = Long.toHexString(memory.address());
      assertEquals(1, mappingsOf(maps, memory.address()), start);
    }
    assertEquals(0, mappingsOf(maps, memory.address()), start);
    assertThrows(IllegalStateException.class, () -> memory.get(ValueLayout.JAVA_BYTE, 0));
  }

  private static long mappingsOf(Path maps, long address) throws Exception {
    return Files.readAllLines(maps).stream()
        .map(line -> line.substring(0, line.indexOf(' ')).split("-", 2))
        .filter(
            range ->
                Long.compareUnsigned(Long.parseUnsignedLong(range[0], 16), address) <= 0
                    && Long.compareUnsigned(address, Long.parseUnsignedLong(range[1], 16)) < 0)
        .count();
  }

  @Test
  void saysThatTheSystemHasNoRoom() {
    try (Arena arena = Arena.ofShared()) {
      // More than the addresses of a process.
      assertThrows(OutOfMemoryError.class, () -> SystemMemory.allocate(1L << 60, arena));
    }
  }
}
