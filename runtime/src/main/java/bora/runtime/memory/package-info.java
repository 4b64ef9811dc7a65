/**
 * What a model takes on a GPU, as a pure function of its configuration, context and batch.
 *
 * <p>No GPU is asked and nothing is allocated. Start with {@code MemoryEstimator}.
 */
package bora.runtime.memory;
