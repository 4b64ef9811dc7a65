package bora.formats.checkpoint;

import bora.formats.Sha256;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;

/**
 * Identifies a checkpoint in time that does not grow with its size. A fine-tuned sibling differs
 * nearly everywhere, so samples find it; the full hashes of the files are taken when they are
 * converted.
 */
final class CheckpointFingerprint {
  private static final int SAMPLES = 256;
  private static final long SAMPLE_BYTES = 4096;

  private CheckpointFingerprint() {}

  static String of(Path config, List<SafetensorsFile> shards) throws IOException {
    MessageDigest digest = Sha256.newDigest();
    digest.update(Files.readAllBytes(config));
    for (SafetensorsFile shard : shards) {
      MemorySegment bytes = shard.bytes();
      String title = "\n" + shard.path().getFileName() + " " + bytes.byteSize() + "\n";
      digest.update(title.getBytes(StandardCharsets.UTF_8));
      digest.update(bytes.asSlice(0, shard.dataOffsetBytes()).asByteBuffer());
      sample(digest, bytes.asSlice(shard.dataOffsetBytes()));
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
