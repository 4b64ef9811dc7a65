package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.model.TensorKey;
import bora.quantizer.calibration.Calibration;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** The manifest of a calibration whose moments and sums are right. */
class CalibrationFuzzTest {
  private static final int FOOTER_BYTES = 32;
  private static final HostileFile FILE =
      HostileFile.of("calibration", CalibrationFuzzTest::readAll);

  private static void readAll(Path file) throws IOException {
    try (Calibration calibration =
        Calibration.open(file, TinyModel.CONFIG, TinyModel.FINGERPRINT)) {
      for (TensorKey key : TinyModel.CONFIG.tensors().keySet()) {
        var unused = calibration.moments(key);
      }
    }
  }

  private static int manifestAt(byte[] seed) {
    return (int)
        ByteBuffer.wrap(seed).order(ByteOrder.LITTLE_ENDIAN).getLong(seed.length - FOOTER_BYTES);
  }

  private static byte[] withManifest(byte[] seed, byte[] manifest) {
    CRC32C crc = new CRC32C();
    crc.update(manifest);
    ByteBuffer changed =
        ByteBuffer.allocate(Math.addExact(manifestAt(seed) + FOOTER_BYTES, manifest.length))
            .order(ByteOrder.LITTLE_ENDIAN);
    changed.put(seed, 0, manifestAt(seed)).put(manifest);
    changed.put(seed, seed.length - FOOTER_BYTES, FOOTER_BYTES);
    int footerAt = changed.position() - FOOTER_BYTES;
    changed.putLong(footerAt + 8, manifest.length).putInt(footerAt + 16, (int) crc.getValue());
    return changed.array();
  }

  @FuzzTest
  void isReadOrRefused(byte[] manifest) throws IOException {
    FILE.isTaken(withManifest(Seeds.read("calibration"), manifest));
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    byte[] seed = Seeds.read("calibration");
    byte[] manifest = Arrays.copyOfRange(seed, manifestAt(seed), seed.length - FOOTER_BYTES);
    assertTrue(FILE.isTaken(withManifest(seed, manifest)));
  }
}
