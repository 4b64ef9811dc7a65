package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.runtime.kernel.FloatArray;
import java.util.List;
import java.util.Optional;

/**
 * One layer.
 *
 * @param attentionNorm decoded, [hidden]
 * @param feedForwardNorm decoded, [hidden]
 * @param router absent for a dense feed-forward, which is the one expert
 */
record LayerWeights(
    FloatArray attentionNorm,
    EncodedTensor query,
    EncodedTensor key,
    EncodedTensor value,
    EncodedTensor attentionOutput,
    FloatArray feedForwardNorm,
    Optional<EncodedTensor> router,
    List<ExpertWeights> experts) {}
