package bora.runtime.kernel;

import java.lang.foreign.MemorySegment;

/**
 * An array of floats together with what machine code is given it as. Whoever owns the array makes
 * this once, so that no call makes an object.
 */
public final class FloatArray {
  private final float[] values;
  private final MemorySegment segment;

  private FloatArray(float[] values) {
    this.values = values;
    this.segment = MemorySegment.ofArray(values);
  }

  /** A new array of zeros. */
  public static FloatArray ofLength(int length) {
    return new FloatArray(new float[length]);
  }

  /** An array that there is already: changes to one are changes to the other. */
  public static FloatArray wrap(float[] values) {
    return new FloatArray(values);
  }

  /** The array itself. */
  public float[] values() {
    return values;
  }

  public int length() {
    return values.length;
  }

  FloatArray copy() {
    return new FloatArray(values.clone());
  }

  public float get(int index) {
    return values[index];
  }

  public void set(int index, float value) {
    values[index] = value;
  }

  MemorySegment segment() {
    return segment;
  }
}
