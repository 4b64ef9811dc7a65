/**
 * The pack: one memory-mapped file with every tensor in its own encoding, checked at open.
 *
 * <p>The bytes are specified in {@code docs/format.md}; this package follows that page. What the
 * bytes of a tensor mean is up to {@code bora.formats.encoding}. Start with {@code PackReader}.
 */
package bora.formats.pack;
