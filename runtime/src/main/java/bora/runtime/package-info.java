/**
 * Runs a pack: {@code Model} holds the mapped weights and is shared between threads, {@code
 * Session} holds a sequence's KV cache and scratch space and is not.
 *
 * <p>The arithmetic is in {@code bora.runtime.kernel}. Nothing here encodes, converts or judges.
 * Start with {@code Session}.
 */
package bora.runtime;
