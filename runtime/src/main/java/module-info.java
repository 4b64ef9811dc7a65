/**
 * Computes what a pack says: model, session, routing and generation, on kernels that only this
 * module sees; and the way from text to tokens and back.
 */
module bora.runtime {
  requires transitive bora.formats;
  requires ai.djl.tokenizers;
  requires java.management;
  requires jdk.incubator.vector;

  exports bora.runtime;
  exports bora.runtime.memory;
  exports bora.runtime.text;
}
