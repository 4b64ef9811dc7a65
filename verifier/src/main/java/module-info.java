/**
 * Proves that a pack computes what its reference computes. It reads neither the quantizer nor the
 * converter, so that it cannot share their mistakes.
 */
module bora.verifier {
  requires transitive bora.formats;
  requires transitive bora.runtime;
  requires transitive com.fasterxml.jackson.databind;
  requires java.xml;

  exports bora.verifier;
  exports bora.verifier.report;
}
