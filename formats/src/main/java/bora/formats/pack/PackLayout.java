package bora.formats.pack;

import bora.formats.Sha256;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Where everything stands in a pack: a pure function of the config, the encodings and the lengths
 * of the attachments. The writer goes by it and the reader holds a manifest against it.
 *
 * @param encodings one for each tensor of the config
 * @param tensors in canonical order
 * @param attachments by name
 * @param manifestOffsetBytes where the manifest starts
 */
public record PackLayout(
    ModelConfig config,
    Map<TensorKey, Encoding> encodings,
    SequencedMap<TensorKey, ByteRange> tensors,
    SortedMap<String, ByteRange> attachments,
    long manifestOffsetBytes) {
  public PackLayout {
    encodings = Map.copyOf(encodings);
    tensors = Collections.unmodifiableSequencedMap(tensors);
    attachments = Collections.unmodifiableSortedMap(attachments);
  }

  /**
   * @param attachmentBytes the length of each attachment by name
   * @throws IllegalArgumentException when a tensor has no encoding or one that does not fit, or an
   *     encoding belongs to no tensor
   * @throws ArithmeticException when the sizes overflow
   */
  public static PackLayout of(
      ModelConfig config,
      Map<TensorKey, Encoding> encodings,
      SortedMap<String, Long> attachmentBytes) {
    SequencedMap<TensorKey, TensorShape> shapes = config.tensors();
    if (!encodings.keySet().equals(shapes.keySet())) {
      throw new IllegalArgumentException("expected one encoding for each tensor of the model");
    }
    SequencedMap<TensorKey, ByteRange> tensors = new LinkedHashMap<>();
    long end = PackFormat.HEADER_BYTES;
    int lastExpert = TensorKey.NONE;
    for (Map.Entry<TensorKey, TensorShape> tensor : shapes.entrySet()) {
      TensorKey key = tensor.getKey();
      boolean pageStart = key.expert() != lastExpert || key.role() == TensorRole.EXPERT_GATE;
      long offset =
          Encoding.alignUp(
              end, pageStart ? PackFormat.EXPERT_ALIGNMENT_BYTES : Encoding.ALIGNMENT_BYTES);
      ByteRange range = new ByteRange(offset, encodings.get(key).encodedBytes(tensor.getValue()));
      tensors.put(key, range);
      end = range.endBytes();
      lastExpert = key.expert();
    }
    SortedMap<String, ByteRange> attachments = new TreeMap<>();
    for (Map.Entry<String, Long> attachment : attachmentBytes.entrySet()) {
      ByteRange range =
          new ByteRange(Encoding.alignUp(end, Encoding.ALIGNMENT_BYTES), attachment.getValue());
      attachments.put(attachment.getKey(), range);
      end = range.endBytes();
    }
    return new PackLayout(
        config, encodings, tensors, attachments, Encoding.alignUp(end, Encoding.ALIGNMENT_BYTES));
  }

  /** What a reader has to know besides the version: the bits of the header. */
  long requiredFeatures() {
    for (Encoding encoding : encodings.values()) {
      if (encoding.isTrellis()) {
        return PackFormat.TRELLIS_LEVELS;
      }
    }
    return 0;
  }

  /**
   * Tells a pack of this layout and a work from every other: a SHA-256.
   *
   * @param work what else decides the bytes
   */
  String identity(String work) {
    StringBuilder text = new StringBuilder(work);
    for (Map.Entry<TensorKey, ByteRange> tensor : tensors.entrySet()) {
      Encoding encoding = encodings.get(tensor.getKey());
      text.append('\n').append(tensor.getKey().id()).append(' ').append(encoding.jsonName());
      text.append(' ').append(tensor.getValue());
    }
    text.append('\n').append(attachments);
    text.append('\n').append(requiredFeatures());
    return Sha256.of(text.toString().getBytes(StandardCharsets.UTF_8));
  }

  /** Bytes of all encoded tensors, gaps not counted. */
  public long weightBytes() {
    return tensors.values().stream().mapToLong(ByteRange::lengthBytes).reduce(0, Math::addExact);
  }

  /** Bits a weight, over all tensors. */
  public double bitsPerWeight() {
    return 8.0 * weightBytes() / config.parameterCount();
  }

  /**
   * The length of the whole file, exactly.
   *
   * @param provenance as it will be written; of hashes only the lengths matter
   */
  public long fileBytes(Provenance provenance) {
    Checksum sums = new Checksum("0".repeat(8), "0".repeat(64));
    Map<TensorKey, Checksum> tensorSums = new HashMap<>();
    tensors.keySet().forEach(key -> tensorSums.put(key, sums));
    Map<String, Checksum> attachmentSums = new HashMap<>();
    attachments.keySet().forEach(name -> attachmentSums.put(name, sums));
    byte[] manifest =
        ManifestJson.write(PackManifest.of(this, tensorSums, attachmentSums, provenance));
    return Math.addExact(manifestOffsetBytes, manifest.length + (long) PackFormat.FOOTER_BYTES);
  }
}
