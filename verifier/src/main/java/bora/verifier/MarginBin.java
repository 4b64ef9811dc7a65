package bora.verifier;

/**
 * Router decisions by how torn the reference was.
 *
 * @param above margins of this bin are above this; minus infinity for the first bin
 * @param upTo and at most this; infinite for the last one
 * @param decisions decisions compared
 * @param flips those that took another set of experts
 */
public record MarginBin(double above, double upTo, long decisions, long flips) {}
