/**
 * Signatures in the format of the OpenSSF's model signing, version 1.0: a Sigstore bundle around a
 * DSSE envelope around an in-toto statement that names every file of a directory with its SHA-256.
 * {@code docs/release.md} says what is signed. Signing is deterministic (RFC 6979), so that equal
 * directories and keys give equal signatures.
 *
 * <p>Start with {@link bora.converter.signing.SignedDirectory}.
 */
package bora.converter.signing;
