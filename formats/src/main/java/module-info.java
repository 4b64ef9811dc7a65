/**
 * What a Mistral or Mixtral model is and how its bytes lie in files: the model's shape, the
 * encodings, the checkpoints read and the pack written. Depends on no other module of bora.
 */
module bora.formats {
  requires com.fasterxml.jackson.databind;
}
