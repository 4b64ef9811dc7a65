package bora.quantizer.calibration;

import bora.formats.CorruptFileException;
import bora.formats.OnShutdown;
import bora.formats.PartialFile;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.zip.CRC32C;

/**
 * Writes a calibration beside its final name and renames it when it is whole. What was written can
 * be read back at once, so that only one layer's moments need be in memory.
 */
public final class CalibrationWriter implements MomentsSource, AutoCloseable {
  private static final int CHUNK_BYTES = 1 << 20;

  private final PartialFile file;
  private final OnShutdown discarding;
  private final SequencedMap<TensorKey, MomentsEntry> entries = new LinkedHashMap<>();
  private long endBytes;

  private CalibrationWriter(PartialFile file) {
    this.file = file;
    this.discarding = OnShutdown.run(this::discardAtTheEnd);
  }

  /** Opens {@code <out>.partial}. */
  public static CalibrationWriter create(Path out) throws IOException {
    CalibrationWriter writer = new CalibrationWriter(PartialFile.open(out));
    try {
      writer.file.truncate(0);
      writer.append(ByteBuffer.wrap(CalibrationFormat.MAGIC));
      return writer;
    } catch (IOException | RuntimeException e) {
      writer.close();
      throw e;
    }
  }

  /**
   * Appends the moments of one input, rounded to float32.
   *
   * @throws IOException also when a moment is not finite, naming the tensor
   */
  public void add(TensorKey reader, SecondMoments moments) throws IOException {
    long offsetBytes = endBytes;
    CRC32C crc = new CRC32C();
    byte[] chunk = new byte[CHUNK_BYTES];
    MemorySegment view = MemorySegment.ofArray(chunk);
    int filled = 0;
    for (double[][] block : moments.blocks()) {
      for (double[] row : block) {
        for (double value : row) {
          if (!Float.isFinite((float) value)) {
            throw new IOException(
                reader + ": a second moment of its input is " + value + ": expected finite values");
          }
          view.set(LittleEndian.FLOAT, filled, (float) value);
          filled += Float.BYTES;
          if (filled == CHUNK_BYTES) {
            crc.update(chunk, 0, filled);
            append(ByteBuffer.wrap(chunk, 0, filled));
            filled = 0;
          }
        }
      }
    }
    crc.update(chunk, 0, filled);
    append(ByteBuffer.wrap(chunk, 0, filled));
    entries.put(
        reader,
        new MomentsEntry(
            reader,
            moments.columns(),
            moments.rows(),
            offsetBytes,
            endBytes - offsetBytes,
            (int) crc.getValue()));
  }

  private void append(ByteBuffer bytes) throws IOException {
    int count = bytes.remaining();
    file.writeAt(endBytes, bytes);
    endBytes += count;
  }

  @Override
  public Optional<SecondMoments> moments(TensorKey reader) throws IOException {
    MomentsEntry entry = entries.get(reader);
    if (entry == null) {
      return Optional.empty();
    }
    ByteBuffer bytes = ByteBuffer.allocateDirect(Math.toIntExact(entry.lengthBytes()));
    if (!file.readAt(entry.offsetBytes(), bytes)) {
      throw new CorruptFileException(file.path(), "shorter than was written");
    }
    return Optional.of(entry.read(file.path(), MemorySegment.ofBuffer(bytes.flip())));
  }

  /**
   * Writes the manifest, syncs and renames.
   *
   * @param windows of tokens, for rounding in sequence; none for rounding tensors apart
   * @param losses of each tensor in encodings; none where nothing can be planned by them
   */
  public void finish(
      CalibrationSource source,
      List<int[]> windows,
      List<ExpertCoverage> coverage,
      List<GroupSensitivity> sensitivities,
      Map<TensorKey, Map<Encoding, Double>> losses)
      throws IOException {
    byte[] manifest =
        CalibrationJson.write(
            source, windows, List.copyOf(entries.values()), coverage, sensitivities, losses);
    long offsetBytes = endBytes;
    append(ByteBuffer.wrap(manifest));
    append(ByteBuffer.wrap(CalibrationFormat.footer(offsetBytes, manifest)));
    file.commit();
  }

  private void discardAtTheEnd() {
    try {
      file.delete();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Removes what was written unless it was finished. */
  @Override
  public void close() throws IOException {
    try (file;
        discarding) {
      file.delete();
    }
  }
}
