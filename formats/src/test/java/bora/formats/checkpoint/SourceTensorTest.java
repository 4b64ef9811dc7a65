package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import bora.formats.checkpoint.CheckpointFixture.Weights;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class SourceTensorTest {
  private static final String NAME = "model.layers.1.self_attn.k_proj.weight";
  private static final TensorKey KEY = TensorKey.ofLayer(1, TensorRole.KEY);
  private static final int ROWS = 8;
  private static final int COLUMNS = 16;

  @TempDir Path directory;

  static List<Arguments> notFinite() {
    List<Arguments> cases = new ArrayList<>();
    for (Weights weights : Weights.values()) {
      cases.add(Arguments.of(weights, Float.NaN, "NaN", 0));
      cases.add(Arguments.of(weights, Float.POSITIVE_INFINITY, "Infinity", 5 * COLUMNS + 3));
      cases.add(Arguments.of(weights, Float.NEGATIVE_INFINITY, "-Infinity", ROWS * COLUMNS - 1));
    }
    return cases;
  }

  @ParameterizedTest(name = "{0} {2} at {3}")
  @MethodSource("notFinite")
  void refusesWeightNamingTensorRowAndColumn(Weights weights, float value, String text, int index)
      throws IOException {
    CheckpointFixture.mistral(weights).weight(NAME, index, value).write(directory);
    Path file = directory.resolve("model.safetensors");
    String problem =
        "tensor `%s`: expected finite weights, found %s at row %d, column %d;"
            .formatted(NAME, text, index / COLUMNS, index % COLUMNS);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      SourceTensor tensor = checkpoint.tensor(KEY);
      float[] all = new float[ROWS * COLUMNS];
      assertCorrupt(file, () -> tensor.readRows(0, ROWS, all, 0), problem);
      int row = index / COLUMNS;
      assertCorrupt(file, () -> tensor.readRows(row, 1, all, 7), problem);
    }
  }

  @ParameterizedTest
  @EnumSource
  void otherRowsOfADamagedTensorAreStillRead(Weights weights) throws IOException {
    CheckpointFixture.mistral(weights).weight(NAME, COLUMNS, Float.NaN).write(directory);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      float[] values = new float[(ROWS - 2) * COLUMNS];
      checkpoint.tensor(KEY).readRows(2, ROWS - 2, values, 0);
      checkpoint.tensor(KEY).readRows(0, 1, values, 0);
    }
  }

  @ParameterizedTest
  @EnumSource
  void extremesOfTheTypeAreWidenedExactly(Weights weights) throws IOException {
    float[] extremes =
        switch (weights) {
          case F32 -> new float[] {Float.MAX_VALUE, Float.MIN_VALUE, -Float.MAX_VALUE, -0.0f};
          case F16 -> new float[] {65504, 0x1p-24f, -65504, -0.0f};
          case BF16 -> new float[] {0x1.fep127f, 0x1p-133f, -0x1.fep127f, -0.0f};
        };
    CheckpointFixture fixture = CheckpointFixture.mistral(weights);
    for (int i = 0; i < extremes.length; i++) {
      fixture.weight(NAME, 2 * COLUMNS + i, extremes[i]);
    }
    try (Checkpoint checkpoint = Checkpoint.open(fixture.write(directory))) {
      float[] values = new float[5 + COLUMNS];
      checkpoint.tensor(KEY).readRows(2, 1, values, 5);
      for (int i = 0; i < extremes.length; i++) {
        assertEquals(Float.floatToRawIntBits(extremes[i]), Float.floatToRawIntBits(values[5 + i]));
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void longRowsAreReadWhole(Weights weights) throws IOException {
    int vocabulary = 1200;
    float[] values = new float[vocabulary * COLUMNS];
    for (int i = 0; i < values.length; i++) {
      values[i] = (i % 251 - 125) / 128f;
    }
    CheckpointFixture fixture = CheckpointFixture.mistral(weights).tied();
    fixture.config("vocab_size", vocabulary);
    fixture.tensor("model.embed_tokens.weight", values, vocabulary, COLUMNS).write(directory);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      float[] read = new float[values.length];
      SourceTensor embedding = checkpoint.tensor(TensorKey.ofModel(TensorRole.EMBEDDING));
      embedding.readRows(0, vocabulary, read, 0);
      for (int i = 0; i < values.length; i++) {
        assertEquals(values[i], read[i], "element " + i);
      }
    }
  }

  @Test
  void vectorIsOneRow() throws IOException {
    CheckpointFixture.mistral().weight("model.norm.weight", 15, 2.5f).write(directory);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      float[] values = new float[COLUMNS];
      checkpoint.tensor(TensorKey.ofModel(TensorRole.OUTPUT_NORM)).readRows(0, 1, values, 0);
      assertEquals(2.5f, values[15]);
    }
  }

  @Test
  void rowsBeyondTheTensorAreTheCallersMistake() throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(CheckpointFixture.mistral().write(directory))) {
      SourceTensor tensor = checkpoint.tensor(KEY);
      float[] values = new float[ROWS * COLUMNS];
      for (int[] range : new int[][] {{-1, 1}, {0, ROWS + 1}, {ROWS, 1}, {1, ROWS}, {0, -1}}) {
        assertThrows(
            IndexOutOfBoundsException.class, () -> tensor.readRows(range[0], range[1], values, 0));
      }
      assertThrows(IndexOutOfBoundsException.class, () -> tensor.readRows(0, ROWS, values, 1));
    }
  }
}
