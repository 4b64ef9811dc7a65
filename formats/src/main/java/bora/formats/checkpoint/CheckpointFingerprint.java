package bora.formats.checkpoint;

import bora.formats.Sha256;
import bora.formats.SmallFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;
import java.util.Optional;

/**
 * Identifies a checkpoint in time that does not grow with its size. A fine-tuned sibling differs
 * nearly everywhere, so samples find it; the full hashes of the files are taken when they are
 * converted.
 */
final class CheckpointFingerprint {
  private static final int SAMPLES = 256;
  private static final long SAMPLE_BYTES = 4096;

  private CheckpointFingerprint() {}

  /**
   * @param config empty where the weights' file holds it
   */
  static String of(Optional<Path> config, List<WeightFile> files) throws IOException {
    MessageDigest digest = Sha256.newDigest();
    if (config.isPresent()) {
      digest.update(SmallFile.read(config.get(), Checkpoint.MAX_CONFIG_BYTES));
    }
    for (WeightFile file : files) {
      long bytes = Files.size(file.path());
      String title = "\n" + file.path().getFileName() + " " + bytes + "\n";
      digest.update(title.getBytes(StandardCharsets.UTF_8));
      digest.update(file.header().asByteBuffer());
      sample(digest, file.data());
    }
    return Sha256.hex(digest);
  }

  private static void sample(MessageDigest digest, MemorySegment data) {
    if (data.byteSize() <= SAMPLES * SAMPLE_BYTES) {
      digest.update(data.asByteBuffer());
      return;
    }
    long lastOffset = data.byteSize() - SAMPLE_BYTES;
    for (int i = 0; i < SAMPLES; i++) {
      digest.update(
          data.asSlice(Math.multiplyExact(lastOffset, (long) i) / (SAMPLES - 1), SAMPLE_BYTES)
              .asByteBuffer());
    }
  }
}
