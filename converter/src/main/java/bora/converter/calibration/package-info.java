/**
 * Runs a checkpoint over a text to learn what its linear layers read and how sensitive it is, and
 * spends a budget of bytes by what was learnt. Brings together the runtime, which computes, and the
 * quantizer, which rounds; neither knows the other.
 *
 * <p>Start with {@link bora.converter.calibration.CalibrationRun}.
 */
package bora.converter.calibration;
