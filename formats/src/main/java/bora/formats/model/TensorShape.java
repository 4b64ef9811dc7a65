package bora.formats.model;

import java.util.List;

/**
 * The shape of a vector or matrix. A matrix maps {@code columns} inputs to {@code rows} outputs.
 *
 * @param rank 1 or 2
 * @param rows 1 for a vector
 * @param columns the length of a vector
 */
public record TensorShape(int rank, int rows, int columns) {
  public TensorShape {
    if (rank < 1 || rank > 2 || rows < 1 || columns < 1 || (rank == 1 && rows != 1)) {
      throw new IllegalArgumentException(
          "no such shape: rank=" + rank + " rows=" + rows + " columns=" + columns);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TensorShape shape
        && rank == shape.rank
        && rows == shape.rows
        && columns == shape.columns;
  }

  @Override
  public int hashCode() {
    return 31 * (31 * rank + rows) + columns;
  }

  public static TensorShape vector(int length) {
    return new TensorShape(1, 1, length);
  }

  public static TensorShape matrix(int rows, int columns) {
    return new TensorShape(2, rows, columns);
  }

  public boolean isVector() {
    return rank == 1;
  }

  public long elementCount() {
    return Math.multiplyExact((long) rows, (long) columns);
  }

  /** The dimensions as files write them, outermost first. */
  public List<Integer> dimensions() {
    return isVector() ? List.of(columns) : List.of(rows, columns);
  }

  @Override
  public String toString() {
    return dimensions().toString();
  }
}
