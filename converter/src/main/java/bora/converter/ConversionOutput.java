package bora.converter;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackWriter;
import bora.formats.pack.TensorSink;
import bora.quantizer.QuantizationPlan;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One of the packs that a conversion writes.
 *
 * @param encodings the plan's
 * @param known where tensors are taken from that are there already
 */
record ConversionOutput(
    QuantizationPlan plan,
    Map<TensorKey, Encoding> encodings,
    PackWriter writer,
    EncodedTensors.Lookup known) {
  private static final int CHUNK_BYTES = 1 << 20;

  /** Recovers a tensor or takes it over; returns whether it could. */
  boolean obtain(TensorKey key) throws IOException {
    if (writer.recover(key)) {
      return true;
    }
    Optional<MemorySegment> encoded = known.find(key);
    if (encoded.isPresent()) {
      write(key, encoded.get());
    }
    return encoded.isPresent();
  }

  /** Copies in chunks, for the reason that {@code PackReader} has. */
  void write(TensorKey key, MemorySegment encoded) throws IOException {
    byte[] chunk = new byte[(int) Math.min(CHUNK_BYTES, encoded.byteSize())];
    try (TensorSink sink = writer.tensor(key)) {
      for (long done = 0; done < encoded.byteSize(); done += chunk.length) {
        int length = (int) Math.min(chunk.length, encoded.byteSize() - done);
        MemorySegment.copy(encoded, ValueLayout.JAVA_BYTE, done, chunk, 0, length);
        sink.append(ByteBuffer.wrap(chunk, 0, length));
      }
    }
  }

  /** Takes the bytes of one tensor for several packs. */
  static final class Sinks implements AutoCloseable {
    private final List<TensorSink> sinks;

    Sinks(TensorKey key, List<PackWriter> writers) {
      this.sinks = writers.stream().map(writer -> writer.tensor(key)).toList();
    }

    void append(ByteBuffer bytes) throws IOException {
      for (TensorSink sink : sinks) {
        sink.append(bytes.duplicate());
      }
    }

    @Override
    public void close() throws IOException {
      for (TensorSink sink : sinks) {
        sink.close();
      }
    }
  }
}
