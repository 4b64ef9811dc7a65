package bora.formats.checkpoint;

import bora.formats.CutShort;
import bora.formats.MappedFile;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.CheckpointFixture.Weights;
import bora.formats.checkpoint.RelaidCheckpoint.Target;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Weight files that another process cuts short under their mapping. */
class CutWeightFileTest {
  @TempDir Path directory;

  private Path relaid(Weights weights, Target target) throws IOException {
    Path hub = directory.resolve("hub");
    CheckpointFixture.mistral(weights).write(hub);
    return RelaidCheckpoint.of(hub).write(target, directory.resolve("relaid"));
  }

  private static Path lastWeights(Checkpoint checkpoint) {
    return checkpoint.tensor(TensorKey.ofModel(TensorRole.LM_HEAD)).file();
  }

  /** The readers, each with a layout of its files. */
  static List<Arguments> readers() {
    MappedFile.Opening<MappedFile, Object> safetensors = SafetensorsFile::of;
    MappedFile.Opening<MappedFile, Object> torch = PyTorchFile::of;
    MappedFile.Opening<MappedFile, Object> gguf = GgufFile::of;
    return List.of(
        Arguments.of(Target.HUB_SHARDED, safetensors),
        Arguments.of(Target.HUB_BIN, torch),
        Arguments.of(Target.GGUF, gguf));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("readers")
  void isNamedWhenItIsOpened(Target target, MappedFile.Opening<MappedFile, Object> reader)
      throws IOException {
    Path file;
    try (Checkpoint checkpoint = Checkpoint.open(relaid(Weights.BF16, target))) {
      file = lastWeights(checkpoint);
    }
    CutShort.assertNamed(
        file,
        () ->
            MappedFile.open(
                file,
                mapped -> {
                  CutShort.to(file, 0);
                  return reader.open(mapped);
                }));
  }

  /** What a checkpoint's file is read for. */
  enum Use {
    FINGERPRINT {
      @Override
      void of(Checkpoint checkpoint, Path file) throws IOException {
        checkpoint.fingerprint();
      }
    },
    HASH {
      @Override
      void of(Checkpoint checkpoint, Path file) throws IOException {
        checkpoint.sha256(file, ProgressListener.NONE);
      }
    },
    ROWS {
      @Override
      void of(Checkpoint checkpoint, Path file) throws IOException {
        SourceTensor head = checkpoint.tensor(TensorKey.ofModel(TensorRole.LM_HEAD));
        head.readRows(0, 1, new float[head.shape().columns()], 0);
      }
    },
    PAIRS {
      @Override
      void of(Checkpoint checkpoint, Path file) throws IOException {
        SourceTensor head = checkpoint.tensor(TensorKey.ofModel(TensorRole.LM_HEAD));
        head.readBFloat16Pairs(1, new int[head.shape().columns() / 2], 0);
      }
    };

    abstract void of(Checkpoint checkpoint, Path file) throws IOException;
  }

  @ParameterizedTest
  @EnumSource
  void isNamedWhateverItIsReadFor(Use use) throws IOException {
    Path path = relaid(Weights.BF16, Target.HUB_SHARDED);
    try (Checkpoint checkpoint = Checkpoint.open(path)) {
      Path file = lastWeights(checkpoint);
      CutShort.assertNamed(
          file,
          () -> {
            CutShort.to(file, 0);
            use.of(checkpoint, file);
          });
    }
  }
}
