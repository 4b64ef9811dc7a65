package bora.verifier;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;

/**
 * How far one tensor of a pack is from the checkpoint's.
 *
 * @param rows rows compared
 * @param relativeError squared difference divided by the checkpoint's squares; where errors were
 *     fed back, of the best multiple of the stored weights
 * @param promised the relative error that the encoding keeps on these weights, whatever they are
 * @param misrounded weights whose stored value is not the nearest that the tensor's scales allow;
 *     where errors were fed back, those of rows, columns and blocks whose scale is wrong
 * @param firstMisrounded where the first of them stands; meaningless without one
 */
public record TensorError(
    TensorKey key,
    Encoding encoding,
    int rows,
    double relativeError,
    double promised,
    long misrounded,
    Place firstMisrounded) {
  /** A weight's place in its matrix. */
  public record Place(int row, int column) {}

  /** The relative error in units of what was promised: at most 1 for a whole tensor. */
  public double shareOfPromise() {
    if (relativeError == 0) {
      return 0;
    }
    return promised == 0 ? Double.POSITIVE_INFINITY : relativeError / promised;
  }

  /** For reports: the tensor, and the first wrong weight's place where there is one. */
  public String describe() {
    return misrounded == 0
        ? key.toString()
        : key + " from row " + firstMisrounded.row + ", column " + firstMisrounded.column;
  }
}
