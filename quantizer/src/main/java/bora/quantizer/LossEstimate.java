package bora.quantizer;

import bora.formats.encoding.Encoding;
import java.io.IOException;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** What each encoding would lose on a tensor, from encoding a sample of its rows. */
public final class LossEstimate {
  private static final int SAMPLED_ROWS = 128;

  private LossEstimate() {}

  /**
   * The feedback loss of the whole tensor in each encoding.
   *
   * @param encodings that fit the tensor
   */
  public static Map<Encoding, Double> of(
      WeightSource source, FeedbackFactor factor, List<Encoding> encodings, FeedbackEncoder encoder)
      throws IOException {
    SampledRows sample = new SampledRows(source, SAMPLED_ROWS);
    Map<Encoding, Double> losses = new EnumMap<>(Encoding.class);
    for (Encoding encoding : encodings) {
      ByteSink nowhere = bytes -> bytes.position(bytes.limit());
      losses.put(
          encoding,
          encoder.encode(sample, encoding, factor, OutputFeedback.NONE, nowhere) / sample.share());
    }
    return losses;
  }
}
