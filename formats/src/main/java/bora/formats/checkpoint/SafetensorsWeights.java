package bora.formats.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** A safetensors file as a file of weights. */
record SafetensorsWeights(SafetensorsFile file) implements WeightFile {
  @Override
  public Path path() {
    return file.path();
  }

  @Override
  public List<StoredTensor> tensors() {
    return file.entries().values().stream().map(this::stored).toList();
  }

  private StoredTensor stored(SafetensorsEntry entry) {
    Optional<WeightType> type =
        switch (entry.dtype()) {
          case F32 -> Optional.of(WeightType.F32);
          case F16 -> Optional.of(WeightType.F16);
          case BF16 -> Optional.of(WeightType.BF16);
          default -> Optional.empty();
        };
    return new StoredTensor(
        file.path(), entry.name(), entry.dtype().name(), type, entry.dimensions(), entry.bytes());
  }

  @Override
  public MemorySegment bytes() {
    return file.bytes();
  }

  @Override
  public MemorySegment header() {
    return file.bytes().asSlice(0, file.dataOffsetBytes());
  }

  @Override
  public MemorySegment data() {
    return file.bytes().asSlice(file.dataOffsetBytes());
  }

  @Override
  public void close() {
    file.close();
  }
}
