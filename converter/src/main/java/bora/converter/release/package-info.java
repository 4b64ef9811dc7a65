/**
 * From verified packs to a directory that can be published: model card, licence, reports, sums,
 * bill of materials, signature, OCI layout, archive; {@code docs/release.md}. Everything is staged
 * beside the output and moved there when it is whole. Equal inputs give equal bytes: no clock, no
 * owner, a fixed order.
 *
 * <p>Start with {@link bora.converter.release.Release}.
 */
package bora.converter.release;
