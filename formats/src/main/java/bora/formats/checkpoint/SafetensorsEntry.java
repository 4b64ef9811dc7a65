package bora.formats.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * One tensor of a safetensors file.
 *
 * @param dimensions outermost first; empty for a scalar
 * @param bytes row-major, little-endian, exactly dimensions times dtype; valid while the file is
 *     open
 */
public record SafetensorsEntry(
    String name, DType dtype, List<Long> dimensions, MemorySegment bytes) {}
