/**
 * Runs a pack, exactly as its reference does up to the encodings: {@code Model} holds the mapped
 * weights and the threads and may be shared, {@code Session} holds a sequence's KV cache and
 * scratch space and may not. {@code ForwardObserver} hears every intermediate result, {@code
 * RoutingSource} can impose the choice of experts, {@code Generator} continues a prompt.
 *
 * <p>The arithmetic is in {@code bora.runtime.kernel}; the order in which it is done is in {@code
 * ForwardPass}, {@code Attention} and {@code FeedForward}, the one definition of routing in {@code
 * ExpertRouter}. Nothing here encodes, converts or judges. Start with {@code Session}.
 */
package bora.runtime;
