package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A mapped file of {@code torch.save}: a zip archive of {@code data.pkl}, a pickled dictionary of
 * tensors, and {@code data/KEY}, the storages that the tensors look into. Nothing of the pickle is
 * run; see {@link PickleReader}.
 */
final class PyTorchFile implements WeightFile {
  private static final String PICKLE = "data.pkl";
  private static final int MAX_PICKLE_BYTES = 64 << 20;

  /** How torch before 1.6 began its files: a pickled magic number. */
  private static final byte[] LEGACY = HexFormat.of().parseHex("80028a0a6cfc9c46f9206aa85019");

  private static final byte[] ZIP = HexFormat.of().parseHex("504b0304");
  private static final int TAR_MAGIC_OFFSET = 257;
  private static final byte[] TAR_MAGIC = "ustar".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] LITTLE = "little".getBytes(StandardCharsets.US_ASCII);

  private final MappedFile file;
  private final MemorySegment header;
  private final List<StoredTensor> tensors;

  private PyTorchFile(MappedFile file, MemorySegment header, List<StoredTensor> tensors) {
    this.file = file;
    this.header = header;
    this.tensors = tensors;
  }

  /**
   * Maps and validates a file.
   *
   * @throws CorruptFileException when it is of another kind, damaged, or mentions anything but
   *     tensors
   */
  static PyTorchFile open(Path path) throws IOException {
    return MappedFile.open(path, PyTorchFile::of);
  }

  /** Validates a file, which is closed by who gets it. */
  static PyTorchFile of(MappedFile file) throws IOException {
    Path path = file.path();
    refuseOtherKinds(file);
    SortedMap<String, MemorySegment> entries = TensorArchive.entries(file);
    MemorySegment pickle = pickle(path, entries);
    PickleValue root = PickleReader.read(path, pickle.toArray(ValueLayout.JAVA_BYTE));
    return new PyTorchFile(file, pickle, tensors(path, root, entries));
  }

  private static void refuseOtherKinds(MappedFile file) throws CorruptFileException {
    MemorySegment bytes = file.bytes();
    if (MappedFile.hasAt(bytes, 0, LEGACY)
        || MappedFile.hasAt(bytes, TAR_MAGIC_OFFSET, TAR_MAGIC)) {
      throw new CorruptFileException(
          file.path(),
          "expected the zip archive that torch.save writes since version 1.6, found the older"
              + " form; load and save it again with a newer torch, or use safetensors");
    }
    LfsPointer.refuse(file);
    if (!MappedFile.hasAt(bytes, 0, ZIP)) {
      throw new CorruptFileException(
          file.path(), "expected a zip archive as torch.save writes it, found something else");
    }
  }

  private static MemorySegment pickle(Path path, SortedMap<String, MemorySegment> entries)
      throws CorruptFileException {
    MemorySegment pickle = entries.get(PICKLE);
    if (pickle == null) {
      throw new CorruptFileException(
          path, "expected an entry `" + PICKLE + "` in the archive, found none");
    }
    if (pickle.byteSize() > MAX_PICKLE_BYTES) {
      throw new CorruptFileException(
          path,
          PICKLE
              + ": expected at most "
              + MAX_PICKLE_BYTES
              + " bytes, found "
              + pickle.byteSize()
              + "; are tensors pickled one by one?");
    }
    MemorySegment order = entries.get("byteorder");
    if (order != null && !MappedFile.hasAt(order, 0, LITTLE)) {
      throw new CorruptFileException(path, "byteorder: expected little, found another");
    }
    return pickle;
  }

  private static List<StoredTensor> tensors(
      Path path, PickleValue root, SortedMap<String, MemorySegment> entries)
      throws CorruptFileException {
    if (!(root instanceof PickleValue.Dict dict)) {
      throw new CorruptFileException(
          path, "expected a dictionary of tensors, found a " + root.kind());
    }
    List<StoredTensor> tensors = new ArrayList<>();
    for (Map.Entry<String, PickleValue> entry : new TreeMap<>(dict.entries()).entrySet()) {
      if (!(entry.getValue() instanceof PickleValue.Tensor tensor)) {
        throw new CorruptFileException(
            path,
            "`"
                + entry.getKey()
                + "`: expected a tensor, found a "
                + entry.getValue().kind()
                + "; is this a training checkpoint?");
      }
      tensors.add(stored(path, entry.getKey(), tensor, entries));
    }
    return List.copyOf(tensors);
  }

  private static StoredTensor stored(
      Path path, String name, PickleValue.Tensor tensor, SortedMap<String, MemorySegment> entries)
      throws CorruptFileException {
    PickleValue.Storage storage = tensor.storage();
    MemorySegment data = entries.get("data/" + storage.key());
    if (data == null) {
      throw new CorruptFileException(
          path,
          "tensor `" + name + "`: expected an entry `data/" + storage.key() + "`, found none");
    }
    PyTorchGlobal type = storage.type();
    return new StoredTensor(
        path,
        name,
        type.qualifiedName(),
        type.weightType(),
        tensor.dimensions(),
        slice(path, name, tensor, data));
  }

  private static MemorySegment slice(
      Path path, String name, PickleValue.Tensor tensor, MemorySegment data)
      throws CorruptFileException {
    int elementBytes = tensor.storage().type().elementBytes();
    long elements = 1;
    try {
      requireRowMajor(path, name, tensor);
      for (long dimension : tensor.dimensions()) {
        elements = Math.multiplyExact(elements, dimension);
      }
      long end = Math.addExact(tensor.offsetElements(), elements);
      if (tensor.offsetElements() >= 0
          && end <= tensor.storage().elements()
          && Math.multiplyExact(tensor.storage().elements(), elementBytes) == data.byteSize()) {
        return data.asSlice(tensor.offsetElements() * elementBytes, elements * elementBytes);
      }
    } catch (ArithmeticException e) {
      throw new CorruptFileException(
          path, "tensor `" + name + "`: shape " + tensor.dimensions() + " overflows", e);
    }
    throw new CorruptFileException(
        path,
        "tensor `"
            + name
            + "`: expected "
            + tensor.dimensions()
            + " from element "
            + tensor.offsetElements()
            + " of "
            + tensor.storage().elements()
            + ", found a storage of "
            + data.byteSize()
            + " bytes");
  }

  private static void requireRowMajor(Path path, String name, PickleValue.Tensor tensor)
      throws CorruptFileException {
    List<Long> dimensions = tensor.dimensions();
    boolean rowMajor = tensor.strides().size() == dimensions.size();
    long stride = 1;
    for (int i = dimensions.size() - 1; rowMajor && i >= 0; i--) {
      rowMajor =
          dimensions.get(i) >= 0 && (dimensions.get(i) <= 1 || tensor.strides().get(i) == stride);
      stride = Math.multiplyExact(stride, Math.max(1, dimensions.get(i)));
    }
    if (!rowMajor) {
      throw new CorruptFileException(
          path,
          "tensor `"
              + name
              + "`: expected it row by row, found sizes "
              + dimensions
              + " with strides "
              + tensor.strides());
    }
  }

  @Override
  public Path path() {
    return file.path();
  }

  @Override
  public List<StoredTensor> tensors() {
    return tensors;
  }

  @Override
  public MemorySegment bytes() {
    return file.bytes();
  }

  @Override
  public MemorySegment header() {
    return header;
  }

  @Override
  public MemorySegment data() {
    return file.bytes();
  }

  @Override
  public void close() {
    file.close();
  }
}
