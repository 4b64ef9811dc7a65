/**
 * What a Mistral or Mixtral model is and how its bytes lie in files: the model's shape, the
 * encodings, the checkpoints read and the pack written. Depends on no other module of bora.
 */
module bora.formats {
  requires transitive com.fasterxml.jackson.databind;
  requires jdk.unsupported;
  requires org.apache.commons.compress;

  exports bora.formats;
  exports bora.formats.checkpoint;
  exports bora.formats.encoding;
  exports bora.formats.json;
  exports bora.formats.model;
  exports bora.formats.pack;
}
