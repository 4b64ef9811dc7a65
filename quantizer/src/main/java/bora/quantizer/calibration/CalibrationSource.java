package bora.quantizer.calibration;

/**
 * What a calibration was made from.
 *
 * @param checkpoint fingerprint of the checkpoint
 * @param textSha256 of the text's or token list's bytes
 * @param windows number of windows
 * @param windowTokens their length
 * @param sensitivityWindows how many of them served to measure sensitivities
 * @param kernels what computed, for people
 */
public record CalibrationSource(
    String checkpoint,
    String textSha256,
    int windows,
    int windowTokens,
    int sensitivityWindows,
    String kernels) {}
