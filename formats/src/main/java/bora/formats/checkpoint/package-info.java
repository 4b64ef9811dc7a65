/**
 * Checkpoints as the HuggingFace hub serves them: safetensors files, the directory around them, its
 * {@code config.json}. Everything is validated when it is opened; afterwards reading weights can
 * only fail on a value that is no number.
 *
 * <p>{@code HuggingFaceNames} is the only place with tensor-name strings. Start with {@link
 * bora.formats.checkpoint.Checkpoint#open}.
 */
package bora.formats.checkpoint;
