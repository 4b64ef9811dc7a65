package bora.formats.pack;

/** What a manifest says of a file that the pack carries along. */
public record PackAttachment(String name, ByteRange range, Checksum checksum) {}
