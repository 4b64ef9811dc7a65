package bora.formats.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import bora.formats.Siblings;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ExampleCheckpointsTest {
  @ParameterizedTest
  @CsvSource({"tiny-mistral, 5114112, 39", "tiny-mixtral, 7315200, 96"})
  void opensAndEveryWeightIsFinite(String name, long parameters, long tensors) throws IOException {
    Optional<Path> directory = Siblings.find("examples/" + name);
    assumeTrue(directory.isPresent(), "examples/" + name + " is not beside the module");
    try (Checkpoint checkpoint = Checkpoint.open(directory.get())) {
      assertEquals(parameters, checkpoint.config().parameterCount());
      assertEquals(tensors, checkpoint.config().tensorCount());
      for (TensorKey key : checkpoint.config().tensors().keySet()) {
        SourceTensor tensor = checkpoint.tensor(key);
        float[] values = new float[Math.toIntExact(tensor.shape().elementCount())];
        tensor.readRows(0, tensor.shape().rows(), values, 0);
      }
    }
  }
}
