package bora.formats;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RangeWriterTest {
  private static final int[] LENGTHS = {
    0, 1, 64, 4096, 65_535, 65_536, 65_537, 131_072, 300_000, (16 << 20) - 64, (16 << 20) + 8192
  };

  @TempDir private Path directory;

  /** Whether the file system is written past its cache, where it can be, refuses, or never is. */
  private enum Way {
    AS_CAN_BE(UncachedChannel::open),
    REFUSED(RangeWriterTest::closed),
    CACHED(_ -> Optional.empty());

    private final Function<Path, Optional<FileChannel>> opening;

    Way(Function<Path, Optional<FileChannel>> opening) {
      this.opening = opening;
    }
  }

  private static Optional<FileChannel> closed(Path path) {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
      return Optional.of(channel);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private record Range(int offset, int length) {
    void write(PartialFile file, byte[] content, Random random) throws IOException {
      try (RangeWriter writer = file.range(offset, length)) {
        for (int done = 0; done < length; ) {
          int piece =
              Math.min(length - done, 1 + random.nextInt(random.nextBoolean() ? 99 : 99999));
          writer.append(ByteBuffer.wrap(content, offset + done, piece));
          done += piece;
        }
        writer.finish();
      }
    }
  }

  /** Ranges that lie side by side, most of them beginning and ending within a block. */
  private static List<Range> ranges() {
    List<Range> ranges = new ArrayList<>();
    int offset = 0;
    for (int first : LENGTHS) {
      for (int length : new int[] {first, 192}) {
        ranges.add(new Range(offset, length));
        offset += length;
      }
    }
    return ranges;
  }

  @ParameterizedTest
  @EnumSource
  void neighboursWrittenAtOnceStayApart(Way way) throws Exception {
    Random random = new Random(1);
    List<Range> ranges = ranges();
    Range last = ranges.getLast();
    byte[] content = new byte[last.offset + last.length];
    random.nextBytes(content);
    Collections.shuffle(ranges, random);
    Path out = directory.resolve("out");
    try (PartialFile file = PartialFile.open(out, way.opening);
        ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Future<?>> written = new ArrayList<>();
      for (Range range : ranges) {
        Random pieces = new Random(range.offset);
        written.add(
            threads.submit(
                () -> {
                  range.write(file, content, pieces);
                  return null;
                }));
      }
      for (Future<?> one : written) {
        one.get();
      }
      file.commit();
    }
    assertArrayEquals(content, Files.readAllBytes(out));
  }

  @ParameterizedTest
  @EnumSource
  void whatIsNotFinishedTouchesNothingElse(Way way) throws IOException {
    byte[] before = new byte[400_000];
    new Random(2).nextBytes(before);
    Path out = directory.resolve("out");
    try (PartialFile file = PartialFile.open(out, way.opening)) {
      file.writeAt(0, ByteBuffer.wrap(before));
      try (RangeWriter writer = file.range(5000, 300_000)) {
        writer.append(ByteBuffer.wrap(new byte[200_000]));
      }
      file.commit();
    }
    byte[] after = Files.readAllBytes(out);
    for (int i = 5000; i < 305_000; i++) {
      after[i] = before[i];
    }
    assertArrayEquals(before, after);
  }
}
