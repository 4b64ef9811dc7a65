package bora.formats.checkpoint;

/** Where the rows of a model's tensor stand in the stored tensor that holds them. */
sealed interface RowPlacement {
  /** All rows in order: the stored tensor is the model's. */
  RowPlacement WHOLE = new Consecutive(0);

  /**
   * In order from a row on, among all rows of the stored tensor, whatever its outer dimensions: a
   * slice of fused experts.
   */
  record Consecutive(long firstRow) implements RowPlacement {}

  /**
   * In each head the two halves that rotary embedding pairs are interleaved: rows i and i +
   * headDim/2 of a head stand at rows 2i and 2i + 1. So they stand where the embedding rotates
   * neighbours (Mistral's own code, llama.cpp) and not halves (transformers).
   */
  record InterleavedHalves(int headDim) implements RowPlacement {
    /** The row that a stored row holds. */
    int rowAt(int storedRow) {
      int inHead = storedRow % headDim;
      return storedRow - inHead + inHead / 2 + inHead % 2 * (headDim / 2);
    }
  }

  /** As columns: row r is the r-th element of each of the stored rows from {@code firstRow} on. */
  record Columns(long firstRow) implements RowPlacement {}

  /**
   * The stored row that holds a row.
   *
   * @throws IllegalArgumentException where rows stand as columns
   */
  default long storedRow(int row) {
    return switch (this) {
      case Consecutive(long firstRow) -> firstRow + row;
      case InterleavedHalves(int headDim) -> {
        int inHead = row % headDim;
        int half = headDim / 2;
        yield row - inHead + 2L * (inHead % half) + inHead / half;
      }
      case Columns _ -> throw new IllegalArgumentException("rows stand as columns");
    };
  }
}
