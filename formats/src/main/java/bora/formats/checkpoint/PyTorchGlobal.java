package bora.formats.checkpoint;

import java.util.Optional;

/**
 * The names that a PyTorch checkpoint may mention: everything that saving a dictionary of tensors
 * needs, nothing that could do anything else. None is ever called.
 */
enum PyTorchGlobal {
  ORDERED_DICT("collections.OrderedDict"),
  REBUILD_TENSOR("torch._utils._rebuild_tensor_v2"),
  REBUILD_PARAMETER("torch._utils._rebuild_parameter"),
  FLOAT("torch.FloatStorage", WeightType.F32, 4),
  HALF("torch.HalfStorage", WeightType.F16, 2),
  BFLOAT16("torch.BFloat16Storage", WeightType.BF16, 2),
  DOUBLE("torch.DoubleStorage", null, 8),
  LONG("torch.LongStorage", null, 8),
  INT("torch.IntStorage", null, 4),
  SHORT("torch.ShortStorage", null, 2),
  CHAR("torch.CharStorage", null, 1),
  BYTE("torch.ByteStorage", null, 1),
  BOOL("torch.BoolStorage", null, 1);

  private final String qualifiedName;
  private final Optional<WeightType> weightType;
  private final int elementBytes;

  PyTorchGlobal(String qualifiedName) {
    this(qualifiedName, null, 0);
  }

  PyTorchGlobal(String qualifiedName, WeightType weightType, int elementBytes) {
    this.qualifiedName = qualifiedName;
    this.weightType = Optional.ofNullable(weightType);
    this.elementBytes = elementBytes;
  }

  static Optional<PyTorchGlobal> of(String qualifiedName) {
    for (PyTorchGlobal global : values()) {
      if (global.qualifiedName.equals(qualifiedName)) {
        return Optional.of(global);
      }
    }
    return Optional.empty();
  }

  String qualifiedName() {
    return qualifiedName;
  }

  boolean isStorage() {
    return elementBytes > 0;
  }

  /** What weights such a storage holds; empty when weights are not read from it. */
  Optional<WeightType> weightType() {
    return weightType;
  }

  /** Bytes of one element of a storage. */
  int elementBytes() {
    return elementBytes;
  }
}
