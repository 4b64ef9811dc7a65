/**
 * What a model takes on a GPU, as a pure function of its configuration, context and batch.
 *
 * <p>No GPU is asked and nothing is allocated: the allocations of one generation are replayed on a
 * replica of the framework's allocator. Not here: bora's own memory on a CPU, which is {@link
 * bora.runtime.HostMemory}. Start with {@link bora.runtime.memory.MemoryEstimator}; {@code
 * docs/memory.md} has the formulas and the measured errors.
 */
package bora.runtime.memory;
