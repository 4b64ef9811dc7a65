package bora.formats;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 as every artifact of bora writes it: 64 lower-case hexadecimal digits. */
public final class Sha256 {
  /** They stay in the second cache between being read and being hashed. */
  private static final int CHUNK_BYTES = 1 << 18;

  private Sha256() {}

  public static MessageDigest newDigest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  /** Ends the digest. */
  public static String hex(MessageDigest digest) {
    return HexFormat.of().formatHex(digest.digest());
  }

  public static String of(byte[] bytes) {
    MessageDigest digest = newDigest();
    digest.update(bytes);
    return hex(digest);
  }

  /** As {@link #of(MemorySegment, ProgressListener)}, with nobody to tell. */
  public static String of(MemorySegment bytes) {
    return of(bytes, ProgressListener.NONE);
  }

  /**
   * Hashes a copy, chunk by chunk: a mapped file may be cut short meanwhile.
   *
   * @param progress told the bytes read
   */
  public static String of(MemorySegment bytes, ProgressListener progress) {
    MessageDigest digest = newDigest();
    byte[] chunk = new byte[CHUNK_BYTES];
    for (long done = 0; done < bytes.byteSize(); done += CHUNK_BYTES) {
      int length = (int) Math.min(CHUNK_BYTES, bytes.byteSize() - done);
      MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, done, chunk, 0, length);
      digest.update(chunk, 0, length);
      progress.advance(length);
    }
    return hex(digest);
  }

  /**
   * @param progress told the bytes read
   */
  public static String of(Path file, ProgressListener progress) throws IOException {
    MessageDigest digest = newDigest();
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      while (read(file, channel, chunk.clear()) >= 0) {
        chunk.flip();
        progress.advance(chunk.remaining());
        digest.update(chunk);
      }
    }
    return hex(digest);
  }

  private static int read(Path file, FileChannel channel, ByteBuffer chunk) throws IOException {
    try {
      return channel.read(chunk);
    } catch (IOException e) {
      throw new IOException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
