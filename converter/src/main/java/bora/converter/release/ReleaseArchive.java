package bora.converter.release;

import bora.formats.ProgressListener;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Collection;
import java.util.zip.Deflater;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;
import org.apache.commons.compress.compressors.gzip.GzipCompressorOutputStream;
import org.apache.commons.compress.compressors.gzip.GzipParameters;
import org.apache.commons.compress.compressors.zstandard.ZstdCompressorOutputStream;

/**
 * Archives that depend on names, contents and one time alone: files in the order given, mode 644,
 * owner 0 without a name. Encoded weights hardly shrink, so compression is the fastest there is.
 */
final class ReleaseArchive {
  private static final int MODE = 0100644;
  private static final int ZSTD_LEVEL = 1;
  private static final int CHUNK_BYTES = 1 << 20;

  private final Path root;
  private final String directory;
  private final Instant time;
  private final ProgressListener progress;

  /**
   * @param root where the files are
   * @param directory the one that everything in the archive lies in
   * @param progress told the bytes archived
   */
  ReleaseArchive(Path root, String directory, Instant time, ProgressListener progress) {
    this.root = root;
    this.directory = directory;
    this.time = time;
    this.progress = progress;
  }

  void write(ArchiveFormat format, Collection<ReleaseFile> files, Path out) throws IOException {
    try (OutputStream raw = new BufferedOutputStream(Files.newOutputStream(out), CHUNK_BYTES)) {
      switch (format) {
        case ZIP -> writeZip(files, raw);
        case TAR_GZ -> {
          GzipParameters parameters = new GzipParameters();
          parameters.setCompressionLevel(Deflater.BEST_SPEED);
          parameters.setOS(GzipParameters.OS.UNKNOWN);
          try (OutputStream compressed = new GzipCompressorOutputStream(raw, parameters)) {
            writeTar(files, compressed);
          }
        }
        case TAR_ZST -> {
          try (OutputStream compressed =
              ZstdCompressorOutputStream.builder()
                  .setOutputStream(raw)
                  .setLevel(ZSTD_LEVEL)
                  .setChecksum(true)
                  .get()) {
            writeTar(files, compressed);
          }
        }
      }
    }
  }

  private void writeTar(Collection<ReleaseFile> files, OutputStream out) throws IOException {
    try (TarArchiveOutputStream tar =
        new TarArchiveOutputStream(out, StandardCharsets.UTF_8.name())) {
      tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
      tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
      for (ReleaseFile file : files) {
        TarArchiveEntry entry = new TarArchiveEntry(directory + "/" + file.name());
        entry.setSize(file.bytes());
        entry.setMode(MODE);
        entry.setIds(0, 0);
        entry.setNames("", "");
        entry.setLastModifiedTime(FileTime.from(time));
        tar.putArchiveEntry(entry);
        copy(file, tar);
        tar.closeArchiveEntry();
      }
    }
  }

  private void writeZip(Collection<ReleaseFile> files, OutputStream out) throws IOException {
    try (ZipArchiveOutputStream zip = new ZipArchiveOutputStream(out)) {
      zip.setLevel(Deflater.BEST_SPEED);
      for (ReleaseFile file : files) {
        ZipArchiveEntry entry = new ZipArchiveEntry(directory + "/" + file.name());
        entry.setUnixMode(MODE);
        entry.setTimeLocal(java.time.LocalDateTime.ofInstant(time, java.time.ZoneOffset.UTC));
        zip.putArchiveEntry(entry);
        copy(file, zip);
        zip.closeArchiveEntry();
      }
    }
  }

  private void copy(ReleaseFile file, OutputStream out) throws IOException {
    byte[] chunk = new byte[CHUNK_BYTES];
    try (InputStream in = Files.newInputStream(root.resolve(file.name()))) {
      for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
        out.write(chunk, 0, read);
        progress.advance(read);
      }
    }
  }
}
