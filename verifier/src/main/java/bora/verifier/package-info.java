/**
 * Proves a pack: runs it, compares with a recorded or a naively computed reference, and holds every
 * metric against a named limit.
 *
 * <p>Sees no quantizer and no converter, so that a pass means something. It reports; deciding what
 * to do about a failure is the caller's.
 */
package bora.verifier;
