package bora.formats.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A tensor as a weight file holds it.
 *
 * @param typeName what the file calls the type, for messages
 * @param type empty when weights are not read from such a type
 * @param dimensions outermost first
 * @param bytes row-major; exactly as many as type and dimensions ask for; valid while the file is
 *     open
 */
record StoredTensor(
    Path file,
    String name,
    String typeName,
    Optional<WeightType> type,
    List<Long> dimensions,
    MemorySegment bytes) {

  StoredTensor {
    dimensions = List.copyOf(dimensions);
  }
}
