package bora.converter.release;

import bora.formats.pack.ByteRange;
import bora.formats.pack.PackReader;
import bora.formats.pack.ShardName;
import bora.runtime.memory.ActivationType;
import bora.runtime.memory.MemoryEstimator;
import bora.runtime.memory.MemoryRequest;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * One budget of a release.
 *
 * @param stem the file's name without {@code .bora}
 * @param shards what each of its files holds
 * @param report empty where none was found and that was allowed
 */
record ReleasedPack(
    String stem, PackReader pack, List<ByteRange> shards, Optional<GateReport> report) {
  /** The pack's files in the release, in order. */
  List<String> fileNames() {
    return ShardName.all(stem, shards.size());
  }

  String reportName() {
    return stem + ".report.json";
  }

  long bytes() {
    return pack.byteSize();
  }

  double bitsPerWeight() {
    return pack.manifest().bitsPerWeight();
  }

  OptionalDouble metric(String id) {
    return report.isEmpty() ? OptionalDouble.empty() : report.get().metric(id);
  }

  /** Estimated GPU memory at a context; empty where the model has no such context. */
  OptionalLong memoryBytes(long contextTokens) {
    if (contextTokens > pack.config().maxPositionEmbeddings()) {
      return OptionalLong.empty();
    }
    MemoryRequest request =
        new MemoryRequest(
            pack.config(), pack.manifest().weightBytes(), ActivationType.BF16, contextTokens, 1);
    return OptionalLong.of(MemoryEstimator.estimate(request).total());
  }
}
