package bora.converter.calibration;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Where tensors go that are rounded in sequence, and where those are that were rounded before. */
public interface RoundedTensors {
  /** Whether an earlier run of the same rounding made a tensor. */
  boolean has(TensorKey key);

  /**
   * Reads a tensor that there is.
   *
   * @param bytes receives it; as long as its encoding wants it
   */
  void load(TensorKey key, MemorySegment bytes) throws IOException;

  /**
   * Takes a tensor that was rounded now, once.
   *
   * @param tensor valid during the call
   */
  void accept(TensorKey key, EncodedTensor tensor) throws IOException;
}
