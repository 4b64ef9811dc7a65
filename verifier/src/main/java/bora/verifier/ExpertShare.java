package bora.verifier;

/**
 * What one expert's encoding costs.
 *
 * @param divergence mean KL divergence with this expert as in the checkpoint, in nats
 * @param saved how much less that is than the pack's; below 0 where the error happens to help
 */
public record ExpertShare(int layer, int expert, double divergence, double saved) {}
