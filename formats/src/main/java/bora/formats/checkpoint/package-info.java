/**
 * Reads models as they are published: safetensors files, HuggingFace and Mistral directories.
 *
 * <p>The only package that knows tensors by the strings other projects gave them. It writes
 * nothing. Start with {@code Checkpoint}.
 */
package bora.formats.checkpoint;
