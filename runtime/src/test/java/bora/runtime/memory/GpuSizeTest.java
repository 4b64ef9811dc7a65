package bora.runtime.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GpuSizeTest {
  @ParameterizedTest
  @CsvSource({
    "16GB, 16000000000",
    "24GiB, 25769803776",
    "80 GB, 80000000000",
    "1.5gib, 1610612736",
    "' 100gb ', 100000000000"
  })
  void readsGigabytesAndGibibytes(String text, long bytes) {
    GpuSize size = GpuSize.parse(text);
    assertEquals(bytes, size.bytes());
    assertEquals(text.strip(), size.label());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "GB", "16MB", "16G", "-1GB", "0GB", "1e3GB", "16GB x", "1.2.3GB"})
  void refusesOtherSizes(String text) {
    assertThrows(IllegalArgumentException.class, () -> GpuSize.parse(text));
  }

  @Test
  void asksForTheUnit() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> GpuSize.parse("16")).getMessage();
    assertTrue(message.contains("16GB") && message.contains("16GiB"), message);
  }

  @Test
  void defaultsAreTheSizesPeopleAskFor() {
    assertEquals(
        List.of("16GB", "24GB", "80GB", "100GB"),
        GpuSize.DEFAULTS.stream().map(GpuSize::label).toList());
  }
}
