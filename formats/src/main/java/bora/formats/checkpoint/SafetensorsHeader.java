package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The parsed and validated header of a safetensors file.
 *
 * @param dataBytes length of the part that holds tensors
 */
record SafetensorsHeader(
    SortedMap<String, SafetensorsEntry> entries,
    SortedMap<String, String> metadata,
    long dataBytes) {
  private static final String METADATA = "__metadata__";

  /** Where one tensor stands in the data. */
  private record Range(String name, long begin, long end) {}

  static SafetensorsHeader parse(Path file, byte[] json, MemorySegment data) throws IOException {
    JsonNode root = parseObject(file, json);
    SortedMap<String, SafetensorsEntry> entries = new TreeMap<>();
    SortedMap<String, String> metadata = new TreeMap<>();
    List<Range> ranges = new ArrayList<>();
    for (Map.Entry<String, JsonNode> field : root.properties()) {
      if (field.getKey().equals(METADATA)) {
        readMetadata(file, field.getValue(), metadata);
      } else {
        Range range = range(file, field.getKey(), field.getValue(), data.byteSize());
        ranges.add(range);
        entries.put(field.getKey(), entry(file, range, field.getValue(), data));
      }
    }
    requireFullCover(file, ranges, data.byteSize());
    return new SafetensorsHeader(entries, metadata, data.byteSize());
  }

  private static JsonNode parseObject(Path file, byte[] json) throws IOException {
    if (json.length == 0 || json[0] != '{') {
      throw new CorruptFileException(file, "header: expected a JSON object, found something else");
    }
    return StrictJson.parseObject(file, json);
  }

  private static void readMetadata(Path file, JsonNode node, Map<String, String> metadata)
      throws CorruptFileException {
    if (!node.isObject()) {
      throw new CorruptFileException(file, METADATA + ": expected an object of strings");
    }
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      if (!field.getValue().isTextual()) {
        throw new CorruptFileException(
            file, METADATA + "." + field.getKey() + ": expected a string");
      }
      metadata.put(field.getKey(), field.getValue().textValue());
    }
  }

  private static Range range(Path file, String name, JsonNode node, long dataBytes)
      throws CorruptFileException {
    JsonNode offsets = node.path("data_offsets");
    if (!offsets.isArray()
        || offsets.size() != 2
        || !offsets.get(0).canConvertToLong()
        || !offsets.get(1).canConvertToLong()
        || !offsets.get(0).isIntegralNumber()
        || !offsets.get(1).isIntegralNumber()) {
      throw new CorruptFileException(
          file, "tensor `" + name + "`: data_offsets: expected two integers, found " + offsets);
    }
    long begin = offsets.get(0).longValue();
    long end = offsets.get(1).longValue();
    if (begin < 0 || end < begin || end > dataBytes) {
      throw new CorruptFileException(
          file,
          "tensor `"
              + name
              + "`: expected a range within the "
              + dataBytes
              + " bytes of data, found "
              + begin
              + " to "
              + end
              + "; was the download cut short?");
    }
    return new Range(name, begin, end);
  }

  private static SafetensorsEntry entry(Path file, Range range, JsonNode node, MemorySegment data)
      throws CorruptFileException {
    DType dtype = dtype(file, range.name(), node.path("dtype"));
    List<Long> dimensions = dimensions(file, range.name(), node.path("shape"));
    long expectedBytes = dtype.bytes();
    try {
      for (long dimension : dimensions) {
        expectedBytes = Math.multiplyExact(expectedBytes, dimension);
      }
    } catch (ArithmeticException e) {
      throw new CorruptFileException(
          file, "tensor `" + range.name() + "`: shape " + dimensions + " overflows", e);
    }
    if (expectedBytes != range.end() - range.begin()) {
      throw new CorruptFileException(
          file,
          "tensor `"
              + range.name()
              + "`: expected "
              + expectedBytes
              + " bytes for "
              + dtype
              + " "
              + dimensions
              + ", found "
              + (range.end() - range.begin()));
    }
    return new SafetensorsEntry(
        range.name(), dtype, dimensions, data.asSlice(range.begin(), expectedBytes));
  }

  private static DType dtype(Path file, String name, JsonNode node) throws CorruptFileException {
    for (DType dtype : DType.values()) {
      if (dtype.name().equals(node.textValue())) {
        return dtype;
      }
    }
    throw new CorruptFileException(
        file,
        "tensor `"
            + name
            + "`: dtype: expected one of "
            + List.of(DType.values())
            + ", found "
            + node);
  }

  private static List<Long> dimensions(Path file, String name, JsonNode node)
      throws CorruptFileException {
    List<Long> dimensions = new ArrayList<>();
    boolean valid = node.isArray();
    for (JsonNode dimension : node) {
      valid &=
          dimension.isIntegralNumber()
              && dimension.canConvertToLong()
              && dimension.longValue() >= 0;
      dimensions.add(dimension.longValue());
    }
    if (!valid) {
      throw new CorruptFileException(
          file, "tensor `" + name + "`: shape: expected a list of sizes, found " + node);
    }
    return List.copyOf(dimensions);
  }

  private static void requireFullCover(Path file, List<Range> ranges, long dataBytes)
      throws CorruptFileException {
    ranges.sort(Comparator.comparingLong(Range::begin).thenComparingLong(Range::end));
    long covered = 0;
    for (Range range : ranges) {
      if (range.begin() != covered) {
        throw new CorruptFileException(
            file,
            "tensor `"
                + range.name()
                + "` "
                + (range.begin() < covered ? "overlaps its predecessor" : "leaves a hole before it")
                + ": expected to start at byte "
                + covered
                + " of the data, found "
                + range.begin());
      }
      covered = range.end();
    }
    if (covered != dataBytes) {
      throw new CorruptFileException(
          file,
          "tensors do not cover the file: expected "
              + covered
              + " bytes of data, found "
              + dataBytes);
    }
  }
}
