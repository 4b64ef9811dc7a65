/**
 * From a policy to encoded blocks: a policy and a checkpoint make a plan, the plan and the weights
 * make bytes.
 *
 * <p>The same input gives the same bytes on every machine. Decoding is defined in {@code
 * bora.formats.encoding}, running in the runtime; neither is repeated here.
 *
 * <p>Start with {@link bora.quantizer.Planner} and {@link bora.quantizer.TensorEncoder}.
 */
package bora.quantizer;
