/**
 * Computes what a pack says: model, session, routing and generation, on kernels that only this
 * module sees.
 */
module bora.runtime {
  requires bora.formats;
  requires jdk.incubator.vector;
}
