/**
 * What a text taught about a checkpoint: the second moments of every linear layer's input, how much
 * text each expert saw, and how much the model's output suffers when a group of tensors is rounded.
 * Kept in a file; gathered by the converter, which can run models.
 *
 * <p>Start with {@link bora.quantizer.calibration.Calibration}. {@code docs/fidelity.md} defines
 * the quantities.
 */
package bora.quantizer.calibration;
