package bora.verifier;

/**
 * A greedy generation.
 *
 * @param tokens what followed the prompt
 */
public record GreedyContinuation(int[] prompt, int[] tokens) {}
