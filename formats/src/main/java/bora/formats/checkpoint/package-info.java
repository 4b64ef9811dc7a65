/**
 * Checkpoints in every layout in use: safetensors and PyTorch files as transformers and Mistral AI
 * lay them out, and GGUF files, which are also written. Everything is validated when it is opened;
 * afterwards reading weights can only fail on a value that is no number. See {@code
 * docs/checkpoints.md}.
 *
 * <p>A file gives {@code StoredTensor}s; a {@code TensorNaming} says in which of them, and where in
 * it, the rows of a model's tensor stand; {@code SourceTensor} reads them. The namings are the only
 * places with tensor-name strings. Start with {@link bora.formats.checkpoint.Checkpoint#open}.
 */
package bora.formats.checkpoint;
