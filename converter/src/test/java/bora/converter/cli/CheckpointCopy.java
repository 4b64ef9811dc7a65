package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.encoding.LittleEndian;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntBinaryOperator;
import java.util.stream.Stream;

/** A copy of a checkpoint whose weights a test changes, in memory until they are written. */
final class CheckpointCopy {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path path;
  private final Map<Path, byte[]> files = new HashMap<>();
  private final Map<Path, JsonNode> headers = new HashMap<>();

  CheckpointCopy(Path original, Path path) throws IOException {
    this.path = Files.createDirectory(path);
    try (Stream<Path> all = Files.list(original)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        byte[] bytes = Files.readAllBytes(file);
        Files.write(path.resolve(file.getFileName()), bytes);
        if (file.toString().endsWith(".safetensors") && file.toString().contains("model-")) {
          files.put(path.resolve(file.getFileName()), bytes);
          int length = (int) MemorySegment.ofArray(bytes).get(LittleEndian.LONG, 0);
          headers.put(path.resolve(file.getFileName()), JSON.readTree(bytes, 8, length));
        }
      }
    }
  }

  /** Multiplies each bf16 of a tensor by the power of two that a function of its place gives. */
  void scale(String tensor, IntBinaryOperator exponentOfRowAndColumn) {
    files.forEach(
        (file, bytes) -> {
          JsonNode entry = headers.get(file).path(tensor + ".weight");
          if (entry.isMissingNode()) {
            return;
          }
          assertEquals("BF16", entry.path("dtype").asText());
          MemorySegment memory = MemorySegment.ofArray(bytes);
          long start = 8 + memory.get(LittleEndian.LONG, 0);
          long from = start + entry.path("data_offsets").path(0).longValue();
          JsonNode shape = entry.path("shape");
          int columns = shape.path(shape.size() - 1).intValue();
          long count = (start + entry.path("data_offsets").path(1).longValue() - from) / 2;
          for (int i = 0; i < count; i++) {
            short bits = memory.get(LittleEndian.SHORT, from + 2L * i);
            float value = Float.intBitsToFloat(bits << 16);
            int exponent = exponentOfRowAndColumn.applyAsInt(i / columns, i % columns);
            int scaled = Float.floatToRawIntBits(Math.scalb(value, exponent));
            memory.set(LittleEndian.SHORT, from + 2L * i, (short) (scaled >>> 16));
          }
        });
  }

  Path write() {
    files.forEach(
        (file, bytes) -> {
          try {
            Files.write(file, bytes);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
    return path;
  }
}
