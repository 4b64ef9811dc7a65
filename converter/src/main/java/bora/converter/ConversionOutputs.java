package bora.converter;

import bora.formats.OnShutdown;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackWriter;
import bora.quantizer.QuantizationPlan;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * The packs that a conversion writes. Those that are not finished when this is closed, or when the
 * process is told to end, are discarded as {@link PackWriter#discard} says.
 */
final class ConversionOutputs implements AutoCloseable {
  private final EncodedTensors known;
  private final List<ConversionOutput> outputs = new CopyOnWriteArrayList<>();
  private final OnShutdown onShutdown = OnShutdown.run(this::discard);

  /**
   * @param known where tensors and hashes are taken from that are there already
   */
  ConversionOutputs(EncodedTensors known) {
    this.known = known;
  }

  /** Takes a writer over. */
  void add(QuantizationPlan plan, PackWriter writer) {
    Map<TensorKey, Encoding> encodings = plan.encodings();
    outputs.add(new ConversionOutput(plan, encodings, writer, known.forPack(encodings)));
  }

  List<ConversionOutput> all() {
    return outputs;
  }

  /**
   * Which packs still need a tensor, by the encoding that they want it in: not those that recovered
   * it or could take it over.
   */
  Map<Encoding, List<PackWriter>> needing(TensorKey key) throws IOException {
    Map<Encoding, List<PackWriter>> needing = new EnumMap<>(Encoding.class);
    for (ConversionOutput output : outputs) {
      if (!output.obtain(key)) {
        Encoding encoding = output.encodings().get(key);
        needing.computeIfAbsent(encoding, _ -> new ArrayList<>()).add(output.writer());
      }
    }
    return needing;
  }

  /** The SHA-256 of a source file, where an interrupted conversion took it or it is known. */
  Optional<String> recoverSource(String name) {
    return outputs.stream()
        .flatMap(output -> output.writer().recoverSource(name).stream())
        .findFirst()
        .or(() -> known.source(name));
  }

  /** Tells every journal that does not know it. */
  void recordSource(String name, String sha256) throws IOException {
    for (ConversionOutput output : outputs) {
      if (output.writer().recoverSource(name).isEmpty()) {
        output.writer().recordSource(name, sha256);
      }
    }
  }

  /** The process ends: there is nobody left to tell of a failure. */
  private void discard() {
    try {
      for (ConversionOutput output : outputs) {
        output.writer().discard();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() throws IOException {
    onShutdown.close();
    List<IOException> failures = new ArrayList<>();
    for (ConversionOutput output : outputs) {
      try {
        output.writer().close();
      } catch (IOException e) {
        failures.add(e);
      }
    }
    if (!failures.isEmpty()) {
      IOException first = failures.removeFirst();
      failures.forEach(first::addSuppressed);
      throw first;
    }
  }
}
