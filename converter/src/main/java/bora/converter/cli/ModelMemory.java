package bora.converter.cli;

import bora.runtime.memory.GpuSize;
import bora.runtime.memory.MemoryEstimate;
import bora.runtime.memory.MemoryEstimator;
import bora.runtime.memory.MemoryRequest;
import java.util.List;
import java.util.Optional;

/**
 * What memory one model needs, and which GPUs have it.
 *
 * @param mostTokens the longest context that the model takes
 * @param fits of every GPU, in the order asked for
 */
record ModelMemory(String title, MemoryEstimate estimate, long mostTokens, List<Fit> fits) {
  /**
   * One model on one GPU.
   *
   * @param maxContext the most tokens of a sequence that fit; 0 for none
   * @param fitsInOtherUnit whether it fits a GPU of the same number of the other unit, GB and GiB
   */
  record Fit(GpuSize gpu, boolean fits, long maxContext, boolean fitsInOtherUnit) {
    /** Where both units give different answers, which a person may not have thought of. */
    Optional<String> unitWarning() {
      if (fits == fitsInOtherUnit) {
        return Optional.empty();
      }
      GpuSize other = gpu.inOtherUnit();
      return Optional.of(
          (fits ? "fits " : "does not fit ")
              + gpu.label()
              + ", but "
              + (fits ? "not " : "")
              + other.label()
              + ": look up which of them the GPU has; what is sold as GB is often GiB");
    }
  }

  static ModelMemory of(String title, MemoryRequest request, List<GpuSize> gpus) {
    MemoryEstimate estimate = MemoryEstimator.estimate(request);
    List<Fit> fits =
        gpus.stream()
            .map(
                gpu ->
                    new Fit(
                        gpu,
                        estimate.total() <= gpu.bytes(),
                        MemoryEstimator.maxContext(request, gpu.bytes()).orElse(0),
                        estimate.total() <= gpu.inOtherUnit().bytes()))
            .toList();
    return new ModelMemory(title, estimate, request.config().maxPositionEmbeddings(), fits);
  }
}
