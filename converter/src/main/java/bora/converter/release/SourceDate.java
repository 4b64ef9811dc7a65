package bora.converter.release;

import java.io.IOException;
import java.time.Instant;
import java.util.Optional;

/**
 * The time that stands in what is released: {@code SOURCE_DATE_EPOCH} of the environment, seconds
 * since 1970, else none. What cannot do without one then has the first second that a zip can hold.
 */
record SourceDate(Optional<Instant> stated) {
  private static final Instant FIRST_OF_ZIP = Instant.parse("1980-01-01T00:00:00Z");

  static SourceDate of(String epochSeconds) throws IOException {
    if (epochSeconds == null || epochSeconds.isEmpty()) {
      return new SourceDate(Optional.empty());
    }
    try {
      return new SourceDate(Optional.of(Instant.ofEpochSecond(Long.parseLong(epochSeconds))));
    } catch (NumberFormatException | java.time.DateTimeException e) {
      throw new IOException(
          "SOURCE_DATE_EPOCH: expected seconds since 1970, found " + epochSeconds, e);
    }
  }

  Instant orFirst() {
    return stated.orElse(FIRST_OF_ZIP);
  }
}
