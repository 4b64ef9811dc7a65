package bora.formats.checkpoint;

import java.util.Arrays;
import java.util.Optional;

/**
 * The tensor types of GGUF files by number ({@code enum ggml_type} of llama.cpp). All are known by
 * size, so that a file's structure can be checked; those with a {@link WeightType} are also read.
 */
enum GgmlType {
  F32(0, 1, 4, WeightType.F32),
  F16(1, 1, 2, WeightType.F16),
  Q4_0(2, 32, 18, WeightType.Q4_0),
  Q4_1(3, 32, 20),
  Q5_0(6, 32, 22),
  Q5_1(7, 32, 24),
  Q8_0(8, 32, 34, WeightType.Q8_0),
  Q8_1(9, 32, 36),
  Q2_K(10, 256, 84),
  Q3_K(11, 256, 110),
  Q4_K(12, 256, 144, WeightType.Q4_K),
  Q5_K(13, 256, 176, WeightType.Q5_K),
  Q6_K(14, 256, 210, WeightType.Q6_K),
  Q8_K(15, 256, 292),
  IQ2_XXS(16, 256, 66),
  IQ2_XS(17, 256, 74),
  IQ3_XXS(18, 256, 98),
  IQ1_S(19, 256, 50),
  IQ4_NL(20, 32, 18),
  IQ3_S(21, 256, 110),
  IQ2_S(22, 256, 82),
  IQ4_XS(23, 256, 136),
  I8(24, 1, 1),
  I16(25, 1, 2),
  I32(26, 1, 4),
  I64(27, 1, 8),
  F64(28, 1, 8),
  IQ1_M(29, 256, 56),
  BF16(30, 1, 2, WeightType.BF16),
  TQ1_0(34, 256, 54),
  TQ2_0(35, 256, 66),
  MXFP4(39, 32, 17),
  NVFP4(40, 64, 36),
  Q1_0(41, 128, 18),
  Q2_0(42, 64, 18);

  private final int id;
  private final int blockElements;
  private final int blockBytes;
  private final Optional<WeightType> weightType;

  GgmlType(int id, int blockElements, int blockBytes) {
    this(id, blockElements, blockBytes, null);
  }

  GgmlType(int id, int blockElements, int blockBytes, WeightType weightType) {
    this.id = id;
    this.blockElements = blockElements;
    this.blockBytes = blockBytes;
    this.weightType = Optional.ofNullable(weightType);
  }

  static Optional<GgmlType> ofId(int id) {
    return Arrays.stream(values()).filter(type -> type.id == id).findFirst();
  }

  /** The type as which weights are written. */
  static GgmlType of(WeightType weightType) {
    return Arrays.stream(values())
        .filter(type -> type.weightType.equals(Optional.of(weightType)))
        .findFirst()
        .orElseThrow();
  }

  int id() {
    return id;
  }

  int blockElements() {
    return blockElements;
  }

  int blockBytes() {
    return blockBytes;
  }

  /** Empty when weights are not read from this type. */
  Optional<WeightType> weightType() {
    return weightType;
  }
}
