/**
 * What encoded bytes mean, written once: an {@code Encoding} has a stable id and a size for every
 * shape, a {@code BlockDecoder} turns its bytes into floats.
 *
 * <p>Choosing and producing encoded bytes is the quantizer's work, computing with them the
 * runtime's. Start with {@code Encoding}.
 */
package bora.formats.encoding;
