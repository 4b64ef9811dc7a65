package bora.formats.pack;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;

/**
 * What a manifest says of a tensor.
 *
 * @param checksum of the encoded bytes
 */
public record PackEntry(
    TensorKey key, Encoding encoding, TensorShape shape, ByteRange range, Checksum checksum) {}
