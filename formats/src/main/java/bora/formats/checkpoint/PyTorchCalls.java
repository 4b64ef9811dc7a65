package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.checkpoint.PickleValue.Dict;
import bora.formats.checkpoint.PickleValue.Global;
import bora.formats.checkpoint.PickleValue.Storage;
import bora.formats.checkpoint.PickleValue.Tensor;
import bora.formats.checkpoint.PickleValue.Text;
import bora.formats.checkpoint.PickleValue.Whole;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What the calls in a PyTorch checkpoint's pickle would make: descriptions in place of objects.
 *
 * @param file where the pickle is from, for messages
 */
record PyTorchCalls(Path file) {
  private static final int MAX_DIMENSIONS = 16;

  /** A name that may be mentioned. */
  Global global(String module, String name) throws CorruptFileException {
    String qualified = module + "." + name;
    return PyTorchGlobal.of(qualified)
        .map(Global::new)
        .orElseThrow(
            () ->
                wrong(
                    "expected only tensors, found `"
                        + qualified
                        + "`; the file is refused, nothing in it was run"));
  }

  /** What a call of a global gives. */
  PickleValue call(PickleValue callee, PickleValue argumentTuple) throws CorruptFileException {
    List<PickleValue> arguments = elements(argumentTuple);
    if (!(callee instanceof Global(PyTorchGlobal global))) {
      throw wrong("expected a call of a known function, found one of a " + callee.kind());
    }
    return switch (global) {
      case ORDERED_DICT -> emptyDict(arguments);
      case REBUILD_TENSOR -> tensor(arguments);
      case REBUILD_PARAMETER -> parameter(arguments);
      default -> throw wrong("expected a function, found a call of " + global.qualifiedName());
    };
  }

  private Dict emptyDict(List<PickleValue> arguments) throws CorruptFileException {
    if (!arguments.isEmpty()) {
      throw wrong("OrderedDict: expected no arguments, found " + arguments.size());
    }
    return new Dict();
  }

  /** storage, offset, size, stride, requires_grad, hooks and, in newer files, metadata. */
  private Tensor tensor(List<PickleValue> arguments) throws CorruptFileException {
    if (arguments.size() < 6
        || arguments.size() > 7
        || !(arguments.get(0) instanceof Storage storage)
        || !(arguments.get(1) instanceof Whole(long offset))) {
      throw wrong("_rebuild_tensor_v2: expected a storage, an offset, sizes and strides");
    }
    return new Tensor(
        storage, offset, wholes(elements(arguments.get(2))), wholes(elements(arguments.get(3))));
  }

  /** A parameter is its tensor. */
  private Tensor parameter(List<PickleValue> arguments) throws CorruptFileException {
    if (arguments.size() != 3 || !(arguments.get(0) instanceof Tensor tensor)) {
      throw wrong("_rebuild_parameter: expected a tensor, requires_grad and hooks");
    }
    return tensor;
  }

  /** ("storage", type, key, device, elements); the device does not matter. */
  Storage storage(PickleValue persistentId) throws CorruptFileException {
    List<PickleValue> id = elements(persistentId);
    if (id.size() == 5
        && id.get(0) instanceof Text(String tag)
        && tag.equals("storage")
        && id.get(1) instanceof Global(PyTorchGlobal type)
        && type.isStorage()
        && id.get(2) instanceof Text(String key)
        && id.get(4) instanceof Whole(long elements)
        && elements >= 0) {
      return new Storage(type, key, elements);
    }
    throw wrong("persistent id: expected a storage with its type, key, device and size");
  }

  /** A tuple may be used many times, so that copies of a long one would not fit the memory. */
  private List<Long> wholes(List<PickleValue> values) throws CorruptFileException {
    if (values.size() > MAX_DIMENSIONS) {
      throw wrong("expected at most " + MAX_DIMENSIONS + " dimensions, found " + values.size());
    }
    List<Long> wholes = new ArrayList<>();
    for (PickleValue value : values) {
      if (!(value instanceof Whole(long whole))) {
        throw wrong("expected an integer, found a " + value.kind());
      }
      wholes.add(whole);
    }
    return wholes;
  }

  private List<PickleValue> elements(PickleValue value) throws CorruptFileException {
    if (!(value instanceof PickleValue.Tuple(List<PickleValue> elements))) {
      throw wrong("expected a tuple, found a " + value.kind());
    }
    return elements;
  }

  private CorruptFileException wrong(String problem) {
    return PickleReader.wrong(file, problem);
  }
}
