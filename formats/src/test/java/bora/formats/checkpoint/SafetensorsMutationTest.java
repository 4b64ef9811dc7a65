package bora.formats.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Properties over random files. The seed of a failing round stands in its message. */
class SafetensorsMutationTest {
  private static final int FILES = 100;
  private static final int MUTATIONS = 2000;

  @TempDir Path directory;

  /** A tensor as it was written. */
  private record Written(DType dtype, long[] shape, byte[] bytes) {}

  private static Map<String, Written> randomTensors(SplittableRandom random) {
    Map<String, Written> tensors = new LinkedHashMap<>();
    int count = random.nextInt(6);
    for (int i = 0; i < count; i++) {
      DType dtype = DType.values()[random.nextInt(DType.values().length)];
      long[] shape = random.longs(random.nextInt(4), 0, 5).toArray();
      int size = dtype.bytes();
      for (long dimension : shape) {
        size = Math.toIntExact(size * dimension);
      }
      byte[] bytes = new byte[size];
      random.nextBytes(bytes);
      tensors.put("t\u00e9\"" + random.nextInt(1000) + "." + i, new Written(dtype, shape, bytes));
    }
    return tensors;
  }

  private static byte[] file(Map<String, Written> tensors) {
    SafetensorsFixture fixture = new SafetensorsFixture().metadata("format", "pt");
    tensors.forEach((name, t) -> fixture.tensor(name, t.dtype().name(), t.bytes(), t.shape()));
    return fixture.toBytes();
  }

  @Test
  void everyValidFileIsReadAsItWasWritten() throws IOException {
    for (int seed = 0; seed < FILES; seed++) {
      Map<String, Written> tensors = randomTensors(new SplittableRandom(seed));
      Path path = Files.write(directory.resolve(seed + ".safetensors"), file(tensors));
      try (SafetensorsFile file = SafetensorsFile.open(path)) {
        assertEquals(tensors.keySet(), file.entries().keySet(), "seed " + seed);
        for (SafetensorsEntry entry : file.entries().values()) {
          Written written = tensors.get(entry.name());
          assertEquals(written.dtype(), entry.dtype());
          assertArrayEquals(
              written.shape(), entry.dimensions().stream().mapToLong(Long::longValue).toArray());
          assertArrayEquals(written.bytes(), entry.bytes().toArray(ValueLayout.JAVA_BYTE));
        }
      }
    }
  }

  @Test
  void everyMutatedFileIsValidOrCorruptAndNothingElse() throws IOException {
    Path path = directory.resolve("mutated.safetensors");
    int corrupt = 0;
    for (int seed = 0; seed < MUTATIONS; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      byte[] bytes = file(randomTensors(random));
      int header = 8 + (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
      bytes[random.nextInt(header)] = randomByte(random);
      Files.write(path, bytes);
      corrupt += isCorrupt(path, seed) ? 1 : 0;
    }
    // Most bytes of a header are part of a key, a number or the syntax; some name a tensor.
    assertTrue(corrupt > MUTATIONS / 2, corrupt + " of " + MUTATIONS + " were refused");
    assertTrue(corrupt < MUTATIONS, "no mutation left a valid file");
  }

  /** Half of the bytes are taken from JSON's alphabet, which gets further into the parser. */
  private static byte randomByte(SplittableRandom random) {
    String alphabet = "{}[]\",:0123456789-eE.tfn\\ u";
    return random.nextBoolean()
        ? (byte) random.nextInt(256)
        : (byte) alphabet.charAt(random.nextInt(alphabet.length()));
  }

  private static boolean isCorrupt(Path path, int seed) throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      long total = 0;
      for (SafetensorsEntry entry : file.entries().values()) {
        total += entry.bytes().byteSize();
      }
      assertEquals(file.bytes().byteSize() - file.dataOffsetBytes(), total, "seed " + seed);
      return false;
    } catch (CorruptFileException e) {
      assertTrue(e.getMessage().startsWith(path + ": "), e.getMessage());
      return true;
    } catch (RuntimeException e) {
      throw new AssertionError("seed " + seed, e);
    }
  }
}
