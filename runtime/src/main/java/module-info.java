/**
 * Computes what a pack says: model, session, routing and generation, on kernels that only this
 * module sees.
 */
module bora.runtime {
  requires transitive bora.formats;
  requires jdk.incubator.vector;

  exports bora.runtime;
  exports bora.runtime.memory;
}
