package bora.runtime.kernel;

import bora.formats.encoding.Encoding;

/**
 * How the activations of a token enter products of bytes: as one signed byte each, or as the three
 * bytes of a whole number. Of each block of 64 columns, in float32, each operation rounded once:
 *
 * <pre>
 * step   = m / largest
 * number = x * (largest / m), to the nearest integer, ties to even
 * </pre>
 *
 * <p>m is the largest magnitude of the block. For {@code ONE}, {@code largest} is 127, and this is
 * {@link ActivationRounding}. For {@code THREE}, which is float32 activations, it is {@code 127 *
 * 2^16}: the numbers have 24 bits, as many as a float, but all of a block with one exponent. A
 * product's error is that of products in float32, whose sums are rounded instead: 0.7 to 2 times as
 * large ({@code ProductErrorTest}). A block with m below {@link ActivationRounding#MIN_MAGNITUDE}
 * is all zeros; one with a value that is no finite number has the step NaN.
 *
 * <p>A number is the sum of its <em>digits</em>, signed bytes, digit d times {@code 256^d}. A
 * <em>record</em> has what a block's products need: the digits in planes of 64 bytes, the lowest
 * first and each in the order of the weights' {@linkplain CodeOrder columns}; then 32-bit words:
 * for each digit where its sum of products starts, the step (once more times 2^16 for {@code
 * THREE}), and half a step times the sum of all numbers.
 *
 * <p>With u the code of a weight of b bits and {@code s} its step (of a trellis code: its level, 8,
 * and the row's scale), the product of a block is, in integers exactly and then in float32,
 *
 * <pre>
 * dot[d]  = sum over columns of (u - 2^(b-1)) * digit[d]
 * ONE     product = fma(dot[0], step, half)
 * THREE   product = fma(dot[0] + 256 dot[1], step, fma(dot[2], 65536 step, half))
 * sum     = fma(s, product, sum)      over the blocks, in order
 * </pre>
 *
 * <p>With several tokens, runs of {@link AssembledTile#MAX_BLOCKS} blocks are summed so, and the
 * runs then added in order.
 */
enum ActivationDigits {
  ONE(1, ActivationRounding.MAX_CODE),
  THREE(3, ActivationRounding.MAX_CODE << 16);

  static final int BLOCK_COLUMNS = ActivationRounding.BLOCK_COLUMNS;

  private final int count;
  private final int largest;

  ActivationDigits(int count, int largest) {
    this.count = count;
    this.largest = largest;
  }

  int count() {
    return count;
  }

  /** The number that a block's largest magnitude becomes; a little more still has these digits. */
  int largest() {
    return largest;
  }

  /** What is taken off an unsigned code: 2^(b-1). Levels of trellis codes are codes of 8 bits. */
  static int middle(Encoding encoding) {
    return 1 << ((encoding.isTrellis() ? Byte.SIZE : encoding.codeBits()) - 1);
  }

  /** Where a digit's plane is in a record. */
  int planeOffset(int digit) {
    return BLOCK_COLUMNS * digit;
  }

  int startOffset(int digit) {
    return BLOCK_COLUMNS * count + Integer.BYTES * digit;
  }

  int stepOffset() {
    return startOffset(count);
  }

  /** Of {@link #THREE} only. */
  int upperStepOffset() {
    return stepOffset() + Float.BYTES;
  }

  int halfOffset() {
    return stepOffset() + (this == ONE ? 1 : 2) * Float.BYTES;
  }

  /** From one record to the next. */
  int recordBytes() {
    return this == ONE ? 80 : 224;
  }
}
