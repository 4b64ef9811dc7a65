/**
 * The pack, format 1: {@code docs/format.md} in code. The layout follows from the list of tensors
 * and their encodings; the writer appends, syncs and renames; the reader maps the file and checks
 * its whole structure before it hands out the first tensor.
 *
 * <p>Not here: what encoded bytes mean ({@link bora.formats.encoding}). Start with {@link
 * bora.formats.pack.PackLayout}.
 */
package bora.formats.pack;
