package bora.runtime;

import bora.formats.encoding.EncodedTensor;

/**
 * One expert: {@code down * (silu(gate * x) * (up * x))}. Each matrix has an encoding of its own.
 *
 * @param gate w1, [intermediate, hidden]
 * @param up w3, [intermediate, hidden]
 * @param down w2, [hidden, intermediate]
 */
record ExpertWeights(EncodedTensor gate, EncodedTensor up, EncodedTensor down) {}
