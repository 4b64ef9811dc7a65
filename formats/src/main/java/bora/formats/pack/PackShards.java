package bora.formats.pack;

import bora.formats.MismatchedArtifactException;
import java.util.ArrayList;
import java.util.List;

/**
 * Where a pack may be cut into shards: at the tensors that start at a multiple of 4096, which the
 * first tensor of every expert does, so that experts stay whole pages of one file.
 */
public final class PackShards {
  private PackShards() {}

  /**
   * Cuts a pack into the fewest ranges of at most a size, in order; one range when it fits whole.
   *
   * @throws MismatchedArtifactException when what lies between two places of cutting is larger
   */
  public static List<ByteRange> cut(PackReader pack, long maxBytes)
      throws MismatchedArtifactException {
    List<Long> places = new ArrayList<>();
    for (PackEntry entry : pack.manifest().entries().values()) {
      if (entry.range().offsetBytes() % PackFormat.EXPERT_ALIGNMENT_BYTES == 0) {
        places.add(entry.range().offsetBytes());
      }
    }
    places.add(pack.byteSize());
    List<ByteRange> shards = new ArrayList<>();
    long start = 0;
    long end = 0;
    for (long place : places) {
      if (place - start > maxBytes && end > start) {
        shards.add(new ByteRange(start, end - start));
        start = end;
      }
      if (place - start > maxBytes) {
        throw new MismatchedArtifactException(
            pack.path(),
            "cannot be cut so small: expected a shard size of at least "
                + (place - start)
                + " bytes, which lie between two tensors that may begin a shard, found "
                + maxBytes);
      }
      end = place;
    }
    shards.add(new ByteRange(start, pack.byteSize() - start));
    return shards;
  }
}
