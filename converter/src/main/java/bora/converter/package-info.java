/**
 * The stages in their order, each from immutable artifacts and options to one artifact.
 *
 * <p>A stage refuses a stale input and leaves nothing half-written. What the user types is read in
 * {@code bora.converter.cli}.
 */
package bora.converter;
