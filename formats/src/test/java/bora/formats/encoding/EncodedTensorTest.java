package bora.formats.encoding;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import bora.formats.model.TensorShape;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class EncodedTensorTest {
  private static final TensorShape MATRIX = TensorShape.matrix(35, 150);

  /** Any bytes are a tensor in any encoding; only finite scales are valid, but all are decoded. */
  private static EncodedTensor random(Encoding encoding, TensorShape shape) {
    byte[] bytes = new byte[(int) encoding.encodedBytes(shape)];
    new SplittableRandom(encoding.id()).nextBytes(bytes);
    return new EncodedTensor(encoding, shape, MemorySegment.ofArray(bytes));
  }

  @ParameterizedTest
  @EnumSource
  void tileHoldsTheValuesColumnByColumn(Encoding encoding) {
    EncodedTensor tensor = random(encoding, MATRIX);
    BlockDecoder decoder = encoding.decoder();
    int rows = encoding.rowsPerPanel();
    for (int panel = 0; panel < encoding.panelCount(MATRIX.rows()); panel++) {
      MemorySegment bytes = tensor.panel(panel);
      for (int start : new int[] {0, 1, 63, 64, 100}) {
        float[] tile = new float[rows * 50];
        decoder.decodeTile(bytes, 150, start, 50, tile);
        for (int i = 0; i < tile.length; i++) {
          float expected = decoder.valueAt(bytes, 150, i % rows, start + i / rows);
          assertEquals(Float.floatToIntBits(expected), Float.floatToIntBits(tile[i]));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void rowIsFoundInItsPanelAndLane(Encoding encoding) {
    EncodedTensor tensor = random(encoding, MATRIX);
    for (int row = 0; row < 35; row++) {
      float[] values = new float[2 + 150];
      tensor.decodeRow(row, values, 2);
      for (int column = 0; column < 150; column++) {
        MemorySegment panel = tensor.panel(row / encoding.rowsPerPanel());
        int lane = row % encoding.rowsPerPanel();
        float expected = encoding.decoder().valueAt(panel, 150, lane, column);
        assertEquals(Float.floatToIntBits(expected), Float.floatToIntBits(values[2 + column]));
      }
      assertEquals(0, values[0] + values[1], "nothing is written before the offset");
    }
  }

  @Test
  void vectorIsLinear() {
    byte[] f32 = new byte[64];
    MemorySegment.ofArray(f32).set(LittleEndian.FLOAT, 0, 1.25f);
    MemorySegment.ofArray(f32).set(LittleEndian.FLOAT, 8, -3);
    byte[] bf16 = new byte[64];
    MemorySegment.ofArray(bf16).set(LittleEndian.SHORT, 0, (short) 0x3FA0);
    MemorySegment.ofArray(bf16).set(LittleEndian.SHORT, 4, (short) 0xC040);
    assertArrayEquals(new float[] {1.25f, 0, -3}, decodeVector(Encoding.F32, f32));
    assertArrayEquals(new float[] {1.25f, 0, -3}, decodeVector(Encoding.BF16, bf16));
  }

  private static float[] decodeVector(Encoding encoding, byte[] bytes) {
    float[] values = new float[3];
    new EncodedTensor(encoding, TensorShape.vector(3), MemorySegment.ofArray(bytes))
        .decodeRow(0, values, 0);
    return values;
  }

  @ParameterizedTest
  @EnumSource
  void refusesAnyOtherNumberOfBytes(Encoding encoding) {
    int expected = (int) encoding.encodedBytes(MATRIX);
    for (int size : new int[] {0, expected - 1, expected + 64}) {
      MemorySegment bytes = MemorySegment.ofArray(new byte[size]);
      IllegalArgumentException thrown =
          assertThrows(
              IllegalArgumentException.class, () -> new EncodedTensor(encoding, MATRIX, bytes));
      assertEquals(
          encoding.jsonName() + " [35, 150]: expected " + expected + " bytes, found " + size,
          thrown.getMessage());
    }
  }
}
