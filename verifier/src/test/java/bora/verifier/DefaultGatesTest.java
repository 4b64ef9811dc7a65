package bora.verifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.encoding.Encoding;
import bora.formats.model.KnownModel;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class DefaultGatesTest {
  private static final ModelConfig CONFIG = RandomWeights.MIXTRAL;

  /** As quiet as trained models are: errors neither grow nor fade on their way. */
  private static final double GAIN = 0.7;

  record Pack(String name, Function<TensorKey, Encoding> encodings, String gate) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Pack> packs() {
    return Stream.of(
        new Pack("f32", key -> Encoding.F32, "default, exact"),
        new Pack("bf16 of a bf16 checkpoint", key -> Encoding.BF16, "default, exact"),
        new Pack("f32 and bf16", mixed(Encoding.F32, Encoding.BF16), "default, exact"),
        new Pack(
            "bf16 of another checkpoint",
            key -> key.role().isExact() ? Encoding.F32 : Encoding.BF16,
            "default, 16.01 effective bits"),
        new Pack("q8", exactly(Encoding.Q8), "default, 8.01 effective bits"),
        new Pack("q4", exactly(Encoding.Q4), "default, 4.01 effective bits"),
        new Pack(
            "an expert of six in q4",
            mixed(Encoding.Q4, Encoding.Q8),
            "default, 5.40 effective bits"));
  }

  private static Function<TensorKey, Encoding> exactly(Encoding encoding) {
    return key -> key.role().isExact() ? Encoding.BF16 : encoding;
  }

  private static Function<TensorKey, Encoding> mixed(Encoding first, Encoding others) {
    return key -> {
      if (key.role().isExact()) {
        return Encoding.BF16;
      }
      return key.expert() == 0 ? first : others;
    };
  }

  @ParameterizedTest
  @MethodSource("packs")
  void chooseByTheNoiseOfTheEncodings(Pack pack) {
    assertEquals(pack.gate, DefaultGates.of(CONFIG, pack.encodings).name());
  }

  @Test
  void tightenWithBits() {
    double last = Double.POSITIVE_INFINITY;
    for (Encoding encoding : new Encoding[] {Encoding.Q4, Encoding.Q6, Encoding.Q8}) {
      Gate gate = DefaultGates.of(KnownModel.MIXTRAL_8X7B_V0_1.config(), exactly(encoding));
      double limit = gate.bound(Metric.KLD_MEAN).orElseThrow();
      assertTrue(limit < last, () -> gate + " is no tighter");
      last = limit;
    }
  }

  record Honest(WeightSource weights, int bits) {
    @Override
    public String toString() {
      return weights.description() + " " + bits + " bits";
    }
  }

  /** Seeds that no limit was chosen from. */
  static Stream<Honest> honest() {
    return Stream.of(4, 6, 8)
        .flatMap(
            bits ->
                Stream.of(
                    new Honest(new RandomWeights(RandomWeights.MIXTRAL, 101, GAIN), bits),
                    new Honest(new RandomWeights(RandomWeights.MISTRAL, 102, GAIN), bits),
                    new Honest(new RandomWeights(RandomWeights.TIED, 103, GAIN), bits)));
  }

  @ParameterizedTest
  @MethodSource("honest")
  void passHonestlyRoundedModels(Honest honest) throws IOException {
    WeightSource rounded = AlteredWeights.quantize(honest.weights, honest.bits);
    VerificationReport report =
        MutationTest.verify(
            honest.weights,
            NaiveCandidate.of(new ReferenceModel(rounded)),
            gateOf(honest.weights.config(), honest.bits));
    assertEquals(List.of(), MutationTest.failed(report), report.metrics()::toString);
  }

  @ParameterizedTest
  @ValueSource(ints = {4, 8})
  void passAnHonestlyRoundedTrainedModel(int bits) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(Examples.directory("tiny-mixtral"))) {
      passHonestlyRoundedModels(new Honest(WeightSource.of(checkpoint), bits));
    }
  }

  private static Gate gateOf(ModelConfig config, int bits) {
    return DefaultGates.of(config, exactly(Encoding.ofName("q" + bits).orElseThrow()));
  }

  record Broken(String name, Function<WeightSource, ReferenceModel> model) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Broken> broken() {
    TensorKey down = TensorKey.ofExpert(1, 3, TensorRole.EXPERT_DOWN);
    TensorKey head = TensorKey.ofModel(TensorRole.LM_HEAD);
    TensorKey norm = TensorKey.ofLayer(1, TensorRole.FEED_FORWARD_NORM);
    return Stream.of(
        new Broken(
            "experts swapped", w -> new ReferenceModel(AlteredWeights.swapExperts(w, 1, 2, 5))),
        new Broken(
            "expert's rows shifted", w -> new ReferenceModel(AlteredWeights.rotateRows(w, down))),
        new Broken("weights dropped", w -> BrokenModels.unweighted(w, Set.of(0, 1, 2))),
        new Broken("weights dropped in a layer", w -> BrokenModels.unweighted(w, Set.of(1))),
        new Broken("not renormalised", w -> BrokenModels.notRenormalised(w, 1)),
        new Broken("one expert", w -> BrokenModels.oneExpertTooFew(w, 1)),
        new Broken("queries shifted", w -> BrokenModels.shiftedQueries(w, 1)),
        new Broken("wrong theta", BrokenModels::wrongTheta),
        new Broken("norm dropped", w -> BrokenModels.normDropped(w, norm)),
        new Broken("key heads in turn", BrokenModels::headsInTurn),
        new Broken("lm_head shifted", w -> new ReferenceModel(AlteredWeights.rotateRows(w, head))));
  }

  /** At 8 bits, where the right model passes; what fewer bits hide is in docs/verification.md. */
  @ParameterizedTest
  @MethodSource("broken")
  void failBrokenModels(Broken broken) throws IOException {
    WeightSource weights = new RandomWeights(CONFIG, 101, GAIN);
    ReferenceModel model = broken.model.apply(AlteredWeights.quantize(weights, 8));
    VerificationReport report =
        MutationTest.verify(weights, NaiveCandidate.of(model), gateOf(CONFIG, 8));
    assertEquals(Verdict.FAIL, report.verdict(), report.metrics()::toString);
  }

  /** Against the weights that the pack itself stands for, nothing hides behind quantization. */
  @ParameterizedTest
  @MethodSource("broken")
  void failBrokenRuntimesOfAnyEncodingAgainstDecodedWeights(Broken broken) throws IOException {
    WeightSource decoded = AlteredWeights.quantize(new RandomWeights(CONFIG, 104, GAIN), 4);
    VerificationReport report =
        MutationTest.verify(decoded, NaiveCandidate.of(broken.model.apply(decoded)), Gate.exact());
    assertEquals(Verdict.FAIL, report.verdict(), report.metrics()::toString);
  }
}
