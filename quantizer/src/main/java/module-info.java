/**
 * Decides which encoding each tensor gets, and encodes. Knows the formats and nothing that runs a
 * model.
 */
module bora.quantizer {
  requires bora.formats;
}
