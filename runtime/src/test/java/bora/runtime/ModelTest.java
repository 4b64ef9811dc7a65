package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import bora.formats.pack.PackLayout;
import bora.formats.pack.PackReader;
import bora.formats.pack.PackWriter;
import bora.formats.pack.Provenance;
import bora.formats.pack.TensorSink;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ModelTest {
  private static final RandomModel RANDOM = RandomModel.of(RandomModel.EXPERTS);

  @Test
  void saysWhatComputes() {
    try (Model model = RANDOM.open(KernelChoice.SCALAR)) {
      assertEquals("scalar, f32 activations, 2 threads", model.kernels());
    }
    try (Model model = RANDOM.open(KernelChoice.VECTOR)) {
      assertTrue(
          model.kernels().matches("vector \\d+ bits, f32 activations, 2 threads"), model.kernels());
    }
  }

  @Test
  void sessionsOfAClosedModelRefuseToRun() {
    Model model = RANDOM.open(KernelChoice.SCALAR);
    Session session = model.newSession(4);
    session.decode(1, ForwardObserver.NONE);
    model.close();
    model.close();
    assertThrows(IllegalStateException.class, () -> session.decode(1, ForwardObserver.NONE));
    assertThrows(
        IllegalStateException.class, () -> session.prefill(new int[] {1}, ForwardObserver.NONE));
    assertEquals(1, session.position());
    assertThrows(IllegalStateException.class, () -> model.newSession(4));
    session.close();
  }

  @Test
  void refusesATensorOfAnotherShape() {
    TensorKey key = TensorKey.ofExpert(1, 3, TensorRole.EXPERT_DOWN);
    TensorShape shape = TensorShape.matrix(20, 27);
    EncodedTensor wrong =
        EncodedTensors.encode(Encoding.F32, shape, new float[20 * 27], new Random(1));
    IllegalArgumentException thrown =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                Model.of(
                    RANDOM.config(),
                    k -> k.equals(key) ? wrong : RANDOM.tensors().get(k),
                    RuntimeOptions.defaults()));
    assertEquals(
        "layer 1 expert 3 w2: expected shape [20, 28], found [20, 27]", thrown.getMessage());
  }

  @Test
  void runsAPackAsItRunsTheSameTensors(@TempDir Path directory) throws IOException {
    RandomModel random = RandomModel.ofMixedEncodings();
    int[] tokens = random.tokens(9);
    Path file = directory.resolve("mixed.bora");
    writePack(random, file);
    try (PackReader pack = PackReader.open(file);
        Model model = Model.open(pack, new RuntimeOptions(2, KernelChoice.SCALAR));
        Model unpacked = random.open(KernelChoice.SCALAR)) {
      assertEquals(random.config(), model.config());
      assertArrayEquals(
          unpacked.newSession(9).prefill(tokens, ForwardObserver.NONE),
          model.newSession(9).prefill(tokens, ForwardObserver.NONE));
    }
  }

  private static void writePack(RandomModel random, Path file) throws IOException {
    Map<TensorKey, Encoding> encodings = new HashMap<>();
    random.tensors().forEach((key, tensor) -> encodings.put(key, tensor.encoding()));
    PackLayout layout = PackLayout.of(random.config(), encodings, new TreeMap<>());
    String noHash = "0".repeat(64);
    try (PackWriter writer = PackWriter.create(file, layout)) {
      for (TensorKey key : random.config().tensors().keySet()) {
        try (TensorSink sink = writer.tensor(key)) {
          sink.append(random.tensors().get(key).bytes().asByteBuffer());
        }
      }
      writer.finish(new Provenance("test", List.of(), noHash, "random", noHash, Optional.empty()));
    }
  }

  @Test
  void needsAThread() {
    assertThrows(IllegalArgumentException.class, () -> new RuntimeOptions(0, KernelChoice.AUTO));
  }
}
