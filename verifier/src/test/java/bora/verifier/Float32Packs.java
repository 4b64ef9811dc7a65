package bora.verifier;

import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import bora.formats.pack.PackLayout;
import bora.formats.pack.PackWriter;
import bora.formats.pack.Provenance;
import bora.formats.pack.TensorSink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Packs of float32 weights, written without the quantizer, which tests here cannot see. */
public final class Float32Packs {
  private Float32Packs() {}

  public static void write(WeightSource weights, Path file) throws IOException {
    ModelConfig config = weights.config();
    Map<TensorKey, Encoding> encodings =
        config.tensors().keySet().stream()
            .collect(Collectors.toMap(Function.identity(), key -> Encoding.F32));
    try (PackWriter writer =
        PackWriter.create(file, PackLayout.of(config, encodings, new TreeMap<>()))) {
      for (TensorKey key : config.tensors().keySet()) {
        try (TensorSink sink = writer.tensor(key)) {
          float[] values = AlteredWeights.whole(weights, key);
          sink.append(encode(values, config.tensors().get(key)));
        }
      }
      String hash = "0".repeat(64);
      writer.finish(new Provenance("test", List.of(), hash, "f32", hash, Optional.empty()));
    }
  }

  /** f32 as docs/encodings.md says: vectors in a line, matrices in panels of 16 rows. */
  private static ByteBuffer encode(float[] values, TensorShape shape) {
    ByteBuffer bytes =
        ByteBuffer.allocate((int) Encoding.F32.encodedBytes(shape)).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < values.length; i++) {
      int row = i / shape.columns();
      int column = i % shape.columns();
      int place = shape.isVector() ? i : (row / 16 * shape.columns() + column) * 16 + row % 16;
      bytes.putFloat(place * Float.BYTES, values[i]);
    }
    return bytes;
  }
}
