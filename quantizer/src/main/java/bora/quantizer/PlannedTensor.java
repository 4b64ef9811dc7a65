package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;

/**
 * What a plan says of one tensor.
 *
 * @param reason why it has this encoding, for people
 */
public record PlannedTensor(TensorKey key, TensorShape shape, Encoding encoding, String reason) {
  /**
   * @throws IllegalArgumentException when the encoding does not fit, or would round a tensor that
   *     is kept exactly
   */
  public PlannedTensor {
    if (!encoding.fits(shape) || (key.role().isExact() && encoding.isQuantized())) {
      throw new IllegalArgumentException(
          key + ": expected f32 or bf16, found " + encoding.jsonName());
    }
  }

  /** Its size in a pack. */
  public long bytes() {
    return encoding.encodedBytes(shape);
  }
}
