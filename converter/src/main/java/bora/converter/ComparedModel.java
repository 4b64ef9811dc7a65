package bora.converter;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackEntry;
import bora.formats.pack.PackReader;
import bora.verifier.WeightSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;

/** One side of a comparison: a pack or a checkpoint, open. */
sealed interface ComparedModel extends AutoCloseable {
  /** Opens whichever it is. */
  static ComparedModel open(Path path) throws IOException {
    return PackReader.isPack(path)
        ? new OfPack(PackReader.open(path))
        : new OfCheckpoint(Checkpoint.open(path));
  }

  ModelConfig config();

  /** The weights, decoded. */
  WeightSource weights();

  /** How a tensor is stored: the name of an encoding, or of a checkpoint's type. */
  String encoding(TensorKey key);

  long bytes(TensorKey key);

  @Override
  void close();

  /** A pack. */
  record OfPack(PackReader pack) implements ComparedModel {
    @Override
    public ModelConfig config() {
      return pack.config();
    }

    @Override
    public WeightSource weights() {
      return WeightSource.of(pack);
    }

    @Override
    public String encoding(TensorKey key) {
      return entry(key).encoding().jsonName();
    }

    @Override
    public long bytes(TensorKey key) {
      return entry(key).range().lengthBytes();
    }

    private PackEntry entry(TensorKey key) {
      return pack.manifest().entries().get(key);
    }

    @Override
    public void close() {
      pack.close();
    }
  }

  /** A checkpoint. */
  record OfCheckpoint(Checkpoint checkpoint) implements ComparedModel {
    @Override
    public ModelConfig config() {
      return checkpoint.config();
    }

    @Override
    public WeightSource weights() {
      return WeightSource.of(checkpoint);
    }

    @Override
    public String encoding(TensorKey key) {
      return checkpoint.tensor(key).type().name().toLowerCase(Locale.ROOT);
    }

    @Override
    public long bytes(TensorKey key) {
      return checkpoint.tensor(key).byteSize();
    }

    @Override
    public void close() {
      checkpoint.close();
    }
  }
}
