package bora.converter.release;

/**
 * A file of a release.
 *
 * @param name its path in the release, with {@code /}
 * @param sha256 64 hexadecimal digits
 */
public record ReleaseFile(String name, long bytes, String sha256) {}
