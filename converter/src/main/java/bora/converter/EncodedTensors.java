package bora.converter;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.pack.Provenance;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Where tensors that were encoded before are taken from. */
interface EncodedTensors {
  /** Finds the tensors of one pack. */
  @FunctionalInterface
  interface Lookup {
    /** The checked bytes of a tensor; none where it has to be encoded. */
    Optional<MemorySegment> find(TensorKey key) throws IOException;
  }

  /** Has nothing. */
  EncodedTensors NONE = _ -> _ -> Optional.empty();

  /**
   * What a pack may take over.
   *
   * @param encodings of all its tensors
   */
  Lookup forPack(Map<TensorKey, Encoding> encodings);

  /** The SHA-256 of a file of the checkpoint, where it is known already. */
  default Optional<String> source(String name) {
    return Optional.empty();
  }

  /**
   * Told at the end what the checkpoint's files are.
   *
   * @throws bora.formats.MismatchedArtifactException when the tensors were made of other files
   */
  default void requireSources(List<Provenance.Source> sources) throws IOException {}
}
