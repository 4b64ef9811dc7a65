/**
 * The arithmetic of the runtime: a scalar kernel defines each result, a vector kernel is tested
 * equal to it at every vector width.
 *
 * <p>Not exported. Only these kernels see {@code jdk.incubator.vector}.
 */
package bora.runtime.kernel;
