package bora.quantizer.calibration;

/**
 * How much of the text one expert saw.
 *
 * @param tokens routed to it
 * @param mass the sum of their routing weights
 */
public record ExpertCoverage(int layer, int expert, long tokens, double mass) {}
