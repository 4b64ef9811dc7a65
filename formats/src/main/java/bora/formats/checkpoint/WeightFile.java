package bora.formats.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;

/** A mapped and validated file of weights. Whoever opens it closes it. */
sealed interface WeightFile extends AutoCloseable
    permits SafetensorsWeights, PyTorchFile, GgufFile {
  Path path();

  /** The whole file. */
  MemorySegment bytes();

  /** Every tensor, sorted by name. */
  List<StoredTensor> tensors();

  /** The bytes that say which tensors there are. */
  MemorySegment header();

  /** The bytes that hold the tensors, and perhaps more. */
  MemorySegment data();

  /** Unmaps the file; its tensors' bytes must no longer be used. */
  @Override
  void close();
}
