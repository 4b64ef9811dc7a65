/**
 * Proves a pack: runs it, compares with a recorded or a naively computed reference, and holds every
 * metric against a named limit.
 *
 * <p>Sees no quantizer and no converter, so that a pass means something. It reports; deciding what
 * to do about a failure is the caller's. Of the runtime it uses the public session only, in {@link
 * bora.verifier.RuntimeCandidate}; the {@link bora.verifier.ReferenceModel} uses nothing of it.
 *
 * <p>Start with {@link bora.verifier.Verification}; {@code docs/verification.md} has the formulas.
 */
package bora.verifier;
