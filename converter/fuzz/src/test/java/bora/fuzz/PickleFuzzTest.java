package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;

/** The pickle in a file of torch.save, in an archive with storages that are honest. */
class PickleFuzzTest {
  /** Bytes of the model's tensors, in the order of their storages. */
  private static final int[] STORAGE_BYTES = {
    32, 8, 8, 32, 16, 16, 32, 16, 32, 32, 32, 32, 32, 32, 8, 32
  };

  private static final HostileFile FILE =
      HostileFile.of(
          "pytorch_model.bin",
          file -> Weights.ofCheckpoint(file.getParent()),
          "pytorch/config.json");

  private static byte[] archive(byte[] pickle) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      store(zip, "archive/data.pkl", pickle);
      for (int i = 0; i < STORAGE_BYTES.length; i++) {
        store(zip, "archive/data/" + i, new byte[STORAGE_BYTES[i]]);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(content);
    ZipEntry entry = new ZipEntry(name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCrc(crc.getValue());
    zip.putNextEntry(entry);
    zip.write(content);
  }

  @FuzzTest
  void isReadOrRefused(byte[] pickle) {
    FILE.isTaken(archive(pickle));
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(archive(Seeds.honest(PickleFuzzTest.class))));
  }
}
