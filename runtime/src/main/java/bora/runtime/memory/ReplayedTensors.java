package bora.runtime.memory;

import bora.runtime.memory.CachingAllocator.Block;

/** The tensors of a replayed forward pass on its allocator. */
record ReplayedTensors(CachingAllocator allocator) {
  Block allocate(TensorKind kind, long rows, long rowBytes) {
    return allocator.allocate(kind, Math.multiplyExact(rows, rowBytes));
  }

  /** Frees a tensor; of one that never was, nothing. */
  void release(Block block) {
    if (block != null) {
      allocator.free(block);
    }
  }
}
