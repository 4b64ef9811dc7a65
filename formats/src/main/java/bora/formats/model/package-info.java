/**
 * What a model is, apart from where its bytes lie: {@code ModelConfig} has the dimensions, {@code
 * TensorKey} names a tensor by role, layer and expert.
 *
 * <p>A dense model is expert 0 of 1. Names of tensors in files are not known here; they belong to
 * {@code bora.formats.checkpoint}. Start with {@code TensorKey}.
 */
package bora.formats.model;
