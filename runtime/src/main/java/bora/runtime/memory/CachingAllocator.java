package bora.runtime.memory;

import java.util.Comparator;
import java.util.TreeSet;

/**
 * A replica of PyTorch's CUDA caching allocator with its default settings: it tells how much memory
 * a sequence of allocations reserves from the device, without a device.
 *
 * <p>Source of the rules: {@code c10/cuda/CUDACachingAllocator.cpp} of PyTorch 2.11. Requests are
 * rounded up to 512 bytes. Requests of at most 1 MiB come from 2 MiB segments, larger ones below 10
 * MiB from 20 MiB segments, the rest from segments rounded up to 2 MiB. The smallest free block
 * that is large enough is taken and split; freed blocks merge with free neighbours of their
 * segment; segments are never given back.
 *
 * <p>All sizes are in bytes. An instance serves one replay and is not thread-safe.
 */
final class CachingAllocator {
  static final long BLOCK_BYTES = 512;

  private static final long MIB = 1L << 20;
  private static final long SMALL_REQUEST_BYTES = MIB;
  private static final long SMALL_SEGMENT_BYTES = 2 * MIB;
  private static final long LARGE_SEGMENT_BYTES = 20 * MIB;
  private static final long OWN_SEGMENT_REQUEST_BYTES = 10 * MIB;
  private static final long SEGMENT_ROUNDING_BYTES = 2 * MIB;

  private final TreeSet<Block> freeSmall = newFreeList();
  private final TreeSet<Block> freeLarge = newFreeList();
  private final long[] liveBytes = new long[TensorKind.values().length];
  private long[] liveBytesAtPeak = liveBytes.clone();
  private long allocatedBytes;
  private long peakAllocatedBytes;
  private long reservedBytes;

  /** A live or free range of one segment; {@code offsetBytes} orders blocks over all segments. */
  static final class Block {
    private final long offsetBytes;
    private final boolean small;
    private long sizeBytes;
    private Block previous;
    private Block next;
    private TensorKind kind;

    private Block(long offsetBytes, long sizeBytes, boolean small) {
      this.offsetBytes = offsetBytes;
      this.sizeBytes = sizeBytes;
      this.small = small;
    }
  }

  private static TreeSet<Block> newFreeList() {
    return new TreeSet<>(
        Comparator.<Block>comparingLong(block -> block.sizeBytes)
            .thenComparingLong(block -> block.offsetBytes));
  }

  /** Allocates a tensor of at least one byte. */
  Block allocate(TensorKind kind, long requestedBytes) {
    if (requestedBytes < 1) {
      throw new IllegalArgumentException(
          "tensor size: expected at least 1 byte, found " + requestedBytes);
    }
    long sizeBytes = roundUp(requestedBytes, BLOCK_BYTES);
    boolean small = sizeBytes <= SMALL_REQUEST_BYTES;
    TreeSet<Block> freeList = small ? freeSmall : freeLarge;
    Block block = freeList.ceiling(new Block(Long.MIN_VALUE, sizeBytes, small));
    if (block == null) {
      block = newSegment(sizeBytes, small);
    } else {
      freeList.remove(block);
    }
    split(block, sizeBytes);
    block.kind = kind;
    account(kind, block.sizeBytes);
    return block;
  }

  /** Frees a live block; its memory stays reserved. */
  void free(Block block) {
    if (block.kind == null) {
      throw new IllegalArgumentException("block at " + block.offsetBytes + " is free already");
    }
    account(block.kind, -block.sizeBytes);
    block.kind = null;
    Block merged = block;
    if (isFree(block.previous)) {
      merged = block.previous;
      freeListOf(merged).remove(merged);
      absorbNext(merged);
    }
    if (isFree(merged.next)) {
      freeListOf(merged).remove(merged.next);
      absorbNext(merged);
    }
    freeListOf(merged).add(merged);
  }

  /** The most bytes that were allocated at one time. */
  long peakAllocatedBytes() {
    return peakAllocatedBytes;
  }

  /** The bytes of one kind that were alive when the allocated bytes first reached their peak. */
  long liveBytesAtPeak(TensorKind kind) {
    return liveBytesAtPeak[kind.ordinal()];
  }

  /** The bytes of all segments taken from the device. */
  long reservedBytes() {
    return reservedBytes;
  }

  private Block newSegment(long sizeBytes, boolean small) {
    long segmentBytes;
    if (small) {
      segmentBytes = SMALL_SEGMENT_BYTES;
    } else if (sizeBytes < OWN_SEGMENT_REQUEST_BYTES) {
      segmentBytes = LARGE_SEGMENT_BYTES;
    } else {
      segmentBytes = roundUp(sizeBytes, SEGMENT_ROUNDING_BYTES);
    }
    Block segment = new Block(reservedBytes, segmentBytes, small);
    reservedBytes = Math.addExact(reservedBytes, segmentBytes);
    return segment;
  }

  private void split(Block block, long sizeBytes) {
    long remainderBytes = block.sizeBytes - sizeBytes;
    boolean worthwhile =
        block.small ? remainderBytes >= BLOCK_BYTES : remainderBytes > SMALL_REQUEST_BYTES;
    if (!worthwhile) {
      return;
    }
    Block remainder = new Block(block.offsetBytes + sizeBytes, remainderBytes, block.small);
    remainder.previous = block;
    remainder.next = block.next;
    if (block.next != null) {
      block.next.previous = remainder;
    }
    block.next = remainder;
    block.sizeBytes = sizeBytes;
    freeListOf(remainder).add(remainder);
  }

  private void account(TensorKind kind, long deltaBytes) {
    allocatedBytes = Math.addExact(allocatedBytes, deltaBytes);
    liveBytes[kind.ordinal()] += deltaBytes;
    if (allocatedBytes > peakAllocatedBytes) {
      peakAllocatedBytes = allocatedBytes;
      liveBytesAtPeak = liveBytes.clone();
    }
  }

  private TreeSet<Block> freeListOf(Block block) {
    return block.small ? freeSmall : freeLarge;
  }

  private static boolean isFree(Block neighbour) {
    return neighbour != null && neighbour.kind == null;
  }

  private static void absorbNext(Block block) {
    Block absorbed = block.next;
    block.sizeBytes += absorbed.sizeBytes;
    block.next = absorbed.next;
    if (absorbed.next != null) {
      absorbed.next.previous = block;
    }
  }

  private static long roundUp(long bytes, long multipleBytes) {
    return Math.multiplyExact(Math.ceilDiv(bytes, multipleBytes), multipleBytes);
  }
}
