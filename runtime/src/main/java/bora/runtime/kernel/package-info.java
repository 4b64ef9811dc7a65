/**
 * The arithmetic of the runtime: a scalar kernel defines each result, a vector kernel is tested
 * equal to it at every vector width, and some products have machine code besides.
 *
 * <p>Start with {@link bora.runtime.kernel.Kernels}. The vector kernels are one source for three
 * widths: the width is a constant of the process, and a panel of 16 rows is one, two or four
 * vectors side by side, one of 64 four times as many. Read {@link bora.runtime.kernel.Q4Kernels}
 * before changing a hot loop.
 *
 * <p>Machine code: {@link bora.runtime.kernel.ActivationDigits} says what is computed, {@link
 * bora.runtime.kernel.DigitProducts} does so in scalar code, {@link
 * bora.runtime.kernel.AssembledDot}, {@link bora.runtime.kernel.AssembledTile} and their siblings
 * assemble it, {@link bora.runtime.kernel.AssembledKernels} chooses. {@link
 * bora.runtime.kernel.ElementArithmetic} says it of the kernels on arrays, which {@link
 * bora.runtime.kernel.ElementCode} assembles, and {@link bora.runtime.kernel.AttentionCode} those
 * of attention.
 *
 * <p>Not exported. Only these kernels see {@code jdk.incubator.vector}.
 */
package bora.runtime.kernel;
