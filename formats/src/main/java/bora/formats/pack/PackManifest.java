package bora.formats.pack;

import bora.formats.Sha256;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a pack says of itself.
 *
 * @param entries in canonical order
 * @param attachments sorted by name
 */
public record PackManifest(
    int major,
    int minor,
    ModelConfig config,
    SequencedMap<TensorKey, PackEntry> entries,
    SortedMap<String, PackAttachment> attachments,
    Provenance provenance) {

  static PackManifest of(
      PackLayout layout,
      Map<TensorKey, Checksum> tensorSums,
      Map<String, Checksum> attachmentSums,
      Provenance provenance) {
    SequencedMap<TensorKey, PackEntry> entries = new LinkedHashMap<>();
    layout
        .config()
        .tensors()
        .forEach(
            (key, shape) ->
                entries.put(
                    key,
                    new PackEntry(
                        key,
                        layout.encodings().get(key),
                        shape,
                        layout.tensors().get(key),
                        tensorSums.get(key))));
    SortedMap<String, PackAttachment> attachments = new TreeMap<>();
    layout
        .attachments()
        .forEach(
            (name, range) ->
                attachments.put(name, new PackAttachment(name, range, attachmentSums.get(name))));
    return new PackManifest(
        PackFormat.MAJOR, PackFormat.MINOR, layout.config(), entries, attachments, provenance);
  }

  /** Bytes of all encoded tensors, gaps not counted. */
  public long weightBytes() {
    return entries.values().stream()
        .mapToLong(entry -> entry.range().lengthBytes())
        .reduce(0, Math::addExact);
  }

  /** Identifies the weights: hash of the tensors' hashes in canonical order, each as a line. */
  public String weightsSha256() {
    MessageDigest digest = Sha256.newDigest();
    for (PackEntry entry : entries.values()) {
      digest.update((entry.checksum().sha256() + "\n").getBytes(StandardCharsets.US_ASCII));
    }
    return Sha256.hex(digest);
  }

  /** Bits a weight, over all tensors. */
  public double bitsPerWeight() {
    return 8.0 * weightBytes() / config.parameterCount();
  }

  /** The tensors of one expert, w1, w3, w2: one contiguous range of the file. */
  public List<PackEntry> expert(int layer, int expert) {
    return entries.values().stream()
        .filter(entry -> entry.key().layer() == layer && entry.key().expert() == expert)
        .toList();
  }
}
