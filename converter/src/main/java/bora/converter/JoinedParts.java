package bora.converter;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackParts;
import java.util.Map;
import java.util.Optional;

/** The parts of this very conversion: they have every tensor and every hash. */
record JoinedParts(PackParts parts) implements EncodedTensors {
  @Override
  public Lookup forPack(Map<TensorKey, Encoding> encodings) {
    return key -> Optional.of(parts.tensor(key));
  }

  @Override
  public Optional<String> source(String name) {
    return parts.source(name);
  }
}
