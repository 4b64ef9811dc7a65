/**
 * Decides which encoding each tensor gets, and encodes. Knows the formats and nothing that runs a
 * model.
 */
module bora.quantizer {
  requires transitive bora.formats;
  requires jdk.incubator.vector;
  requires com.fasterxml.jackson.databind;

  exports bora.quantizer;
  exports bora.quantizer.calibration;
}
