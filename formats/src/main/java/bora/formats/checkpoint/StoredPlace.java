package bora.formats.checkpoint;

import bora.formats.model.TensorShape;
import java.util.List;

/**
 * Where a checkpoint may hold a tensor of the model.
 *
 * @param name of the stored tensor
 * @param dimensions that the stored tensor then has
 */
record StoredPlace(String name, List<Long> dimensions, RowPlacement rows) {
  /** The stored tensor is the model's. */
  static StoredPlace whole(String name, TensorShape shape) {
    return new StoredPlace(name, dimensionsOf(shape), RowPlacement.WHOLE);
  }

  /** The stored tensor is the model's but for the order of its rows. */
  static StoredPlace interleaved(String name, TensorShape shape, int headDim) {
    return new StoredPlace(name, dimensionsOf(shape), new RowPlacement.InterleavedHalves(headDim));
  }

  private static List<Long> dimensionsOf(TensorShape shape) {
    return shape.dimensions().stream().map(Integer::longValue).toList();
  }
}
