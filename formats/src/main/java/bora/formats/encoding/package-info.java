/**
 * What encoded bytes mean: {@code docs/encodings.md} in code. An {@link
 * bora.formats.encoding.Encoding} knows its layout's sizes, a {@link
 * bora.formats.encoding.BlockDecoder} is the scalar definition of every value.
 *
 * <p>Not here: how values become codes (the quantizer's subject) and fast kernels (the runtime's).
 * Start with {@link bora.formats.encoding.Encoding}.
 */
package bora.formats.encoding;
