package bora.converter.calibration;

import bora.formats.model.TensorKey;
import java.io.IOException;

/** Gives something of a tensor, which may have to be read. */
@FunctionalInterface
interface TensorLookup<T> {
  T of(TensorKey key) throws IOException;
}
