package bora.runtime.machine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import bora.formats.MappedFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineCodeTest {
  private static final long FILE_BYTES = 1 << 20;
  private static final Zmm V = new Zmm(17);

  @TempDir private Path directory;

  @BeforeAll
  static void machineCodeRuns() {
    assumeTrue(
        MachineCode.unsupportedReason().isEmpty(),
        () -> "no machine code: " + MachineCode.unsupportedReason().orElseThrow());
  }

  /** Adds the vector at the parameters to the array's first. */
  private static MachineCode addition() {
    Assembler a = new Assembler();
    a.vmovups(V, Address.of(Gpr.RDI, 0));
    a.vaddps(V, V, Address.of(Gpr.RSI, 0));
    a.vmovups(Address.of(Gpr.RSI, 0), V);
    a.mov(Gpr.RAX, 0L);
    a.vzeroupper();
    a.ret();
    return MachineCode.of(a);
  }

  @Test
  void readsAndWritesArraysOfTheHeap() {
    float[] array = new float[20];
    float[] expected = new float[20];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment parameters = arena.allocate(64, 64);
      for (int i = 0; i < 16; i++) {
        array[i + 1] = i;
        parameters.setAtIndex(ValueLayout.JAVA_FLOAT, i, 0.5f);
        expected[i + 1] = i + 0.5f;
      }
      addition().run(parameters, MemorySegment.ofArray(array).asSlice(4));
    }
    assertArrayEquals(expected, array);
  }

  @Test
  void aReadOfBytesThatAreGoneIsTheErrorThatTheVirtualMachineRaisesElsewhere() throws IOException {
    Path file = directory.resolve("weights");
    Files.write(file, new byte[(int) FILE_BYTES]);
    float[] array = new float[16];
    try (Arena arena = Arena.ofShared();
        FileChannel channel =
            FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, FILE_BYTES, arena);
      MachineCode addition = addition();
      addition.run(mapped, MemorySegment.ofArray(array));
      channel.truncate(4096);
      MemorySegment gone = mapped.asSlice(FILE_BYTES / 2);
      for (int i = 0; i < 3; i++) {
        InternalError fault =
            assertThrows(
                InternalError.class, () -> addition.run(gone, MemorySegment.ofArray(array)));
        assertTrue(MappedFile.isFault(fault), fault.getMessage());
      }
      // Code of the virtual machine still goes its own way.
      InternalError fault =
          assertThrows(InternalError.class, () -> gone.get(ValueLayout.JAVA_LONG, 0));
      assertTrue(MappedFile.isFault(fault), fault.getMessage());
      addition.run(mapped, MemorySegment.ofArray(array));
    }
    assertEquals(0, array[0]);
  }

  @Test
  void codeIsExecutableAndNotWritable() throws IOException {
    long address = addition().address.address();
    List<String> pages =
        Files.readAllLines(Path.of("/proc/self/maps")).stream()
            .filter(line -> contains(line, address))
            .toList();
    assertEquals(1, pages.size());
    assertTrue(pages.getFirst().contains(" r-xp "), pages.getFirst());
  }

  private static boolean contains(String line, long address) {
    String[] range = line.substring(0, line.indexOf(' ')).split("-");
    return Long.parseUnsignedLong(range[0], 16) <= address
        && address < Long.parseUnsignedLong(range[1], 16);
  }
}
