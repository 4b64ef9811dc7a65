/**
 * What a Mistral or Mixtral model consists of: its configuration, the role and key of every tensor,
 * and the list of tensors that a configuration asks for. Nothing here knows a file.
 *
 * <p>Start with {@link bora.formats.model.ModelConfig#tensors()}: the one definition of which
 * tensors exist, in which order and shape.
 */
package bora.formats.model;
