package bora.verifier;

import java.util.List;

/** One sequence of a reference that knows logits: what is scored of it, and how it compares. */
sealed interface ScoredSequence permits FullSequence, BundledSequence {
  int[] tokens();

  /** The positions whose predictions are scored, ascending. */
  int[] positions();

  /** Tokens and, where known, router logits of every position. */
  SequenceOutputs routed();

  boolean knowsHidden();

  /** The logits of every scored position, compared on all processors, in their order. */
  List<PositionComparison> compare(SequenceOutputs candidate);

  /** Adds the hidden states and routers that both sides know to those compared. */
  void compareLayers(SequenceOutputs candidate, LayerComparisons layers);
}
