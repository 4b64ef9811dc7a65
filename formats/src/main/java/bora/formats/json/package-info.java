/**
 * JSON as bora's artifacts use it: strict reading with messages that name the file and the field,
 * writing with a fixed order of keys. Which artifact has which fields is said where the artifact
 * is.
 *
 * <p>Start with {@link bora.formats.json.StrictJson}.
 */
package bora.formats.json;
