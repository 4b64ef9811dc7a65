package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.checkpoint.PickleValue.Dict;
import bora.formats.checkpoint.PickleValue.Global;
import bora.formats.checkpoint.PickleValue.Listing;
import bora.formats.checkpoint.PickleValue.Scalar;
import bora.formats.checkpoint.PickleValue.Storage;
import bora.formats.checkpoint.PickleValue.Tensor;
import bora.formats.checkpoint.PickleValue.Text;
import bora.formats.checkpoint.PickleValue.Tuple;
import bora.formats.checkpoint.PickleValue.Whole;
import java.math.BigInteger;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reads the pickle of a PyTorch checkpoint without running it. A pickle is a program for a stack
 * machine whose opcodes can import and call anything; this machine knows the opcodes that plain
 * values and tensors need, looks names up in {@link PyTorchGlobal} alone, and turns the few allowed
 * calls into descriptions. Any other opcode or name ends the reading.
 *
 * <p>Opcodes: {@code Lib/pickletools.py} of CPython; what torch writes: {@code
 * torch/_weights_only_unpickler.py}. Memory is bounded by a constant times the pickle's length.
 */
final class PickleReader {
  /** What the stack holds: a value, or a place to come back to. */
  private sealed interface Slot {
    record Value(PickleValue value) implements Slot {}

    record Mark() implements Slot {}
  }

  private static final int MAX_DIMENSIONS = 16;

  private final Path file;
  private final ByteBuffer pickle;
  private final List<Slot> stack = new ArrayList<>();
  private final Map<Integer, PickleValue> memo = new TreeMap<>();

  private PickleReader(Path file, byte[] pickle) {
    this.file = file;
    this.pickle = ByteBuffer.wrap(pickle).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Reads the one value of a pickle.
   *
   * @param file where the pickle is from, for messages
   * @throws CorruptFileException naming the opcode or the name that is not allowed, or what is
   *     malformed
   */
  static PickleValue read(Path file, byte[] pickle) throws CorruptFileException {
    try {
      return new PickleReader(file, pickle).run();
    } catch (BufferUnderflowException e) {
      throw new CorruptFileException(file, "pickle ends early: expected a STOP, found none", e);
    }
  }

  private PickleValue run() throws CorruptFileException {
    while (true) {
      int at = pickle.position();
      int opcode = pickle.get() & 0xFF;
      if (opcode == '.') {
        return end();
      }
      execute(opcode, at);
    }
  }

  private PickleValue end() throws CorruptFileException {
    PickleValue result = pop();
    if (!stack.isEmpty() || pickle.hasRemaining()) {
      throw wrong("expected one value and nothing behind it, found more");
    }
    return result;
  }

  private void execute(int opcode, int at) throws CorruptFileException {
    switch (opcode) {
      case 0x80 -> requireProtocol(pickle.get());
      case 0x95 -> pickle.getLong(); // FRAME: a hint how far to read ahead
      case '(' -> stack.add(new Slot.Mark());
      case 'N' -> push(Scalar.NONE);
      case 0x88 -> push(new Whole(1));
      case 0x89 -> push(new Whole(0));
      case 'K' -> push(new Whole(pickle.get() & 0xFF));
      case 'M' -> push(new Whole(pickle.getShort() & 0xFFFF));
      case 'J' -> push(new Whole(pickle.getInt()));
      case 0x8a -> push(longInteger());
      case 'G' -> {
        pickle.getDouble();
        push(Scalar.FLOAT);
      }
      case 'X' -> push(text(pickle.getInt()));
      case 0x8c -> push(text(pickle.get() & 0xFF));
      case ')' -> push(new Tuple(List.of()));
      case 0x85 -> push(new Tuple(pop(1)));
      case 0x86 -> push(new Tuple(pop(2)));
      case 0x87 -> push(new Tuple(pop(3)));
      case 't' -> push(new Tuple(popToMark()));
      case ']' -> push(new Listing());
      case 'a' -> append(pop(1));
      case 'e' -> append(popToMark());
      case '}' -> push(new Dict());
      case 's' -> put(pop(2));
      case 'u' -> put(popToMark());
      case 'q' -> memo.put(pickle.get() & 0xFF, top());
      case 'r' -> memo.put(pickle.getInt(), top());
      case 0x94 -> memo.put(memo.size(), top());
      case 'h' -> recall(pickle.get() & 0xFF);
      case 'j' -> recall(pickle.getInt());
      case 'c' -> push(global(line(), line()));
      case 0x93 -> {
        String name = text(pop());
        push(global(text(pop()), name));
      }
      case 'R' -> {
        PickleValue arguments = pop();
        push(call(pop(), tuple(arguments)));
      }
      case 'Q' -> push(storage(tuple(pop())));
      case 'b' -> setState(pop());
      default -> throw refused(opcode, at);
    }
  }

  private CorruptFileException refused(int opcode, int at) {
    return wrong(
        "opcode at byte "
            + at
            + ": expected one that saving tensors needs, found 0x"
            + HexFormat.of().toHexDigits((byte) opcode)
            + "; the file is refused, nothing in it was run");
  }

  private void requireProtocol(byte version) throws CorruptFileException {
    if (version < 2 || version > 5) {
      throw wrong("protocol: expected 2 to 5, found " + version);
    }
  }

  private Whole longInteger() throws CorruptFileException {
    byte[] littleEndian = bytes(pickle.get() & 0xFF);
    if (littleEndian.length == 0) {
      return new Whole(0);
    }
    byte[] bigEndian = new byte[littleEndian.length];
    for (int i = 0; i < bigEndian.length; i++) {
      bigEndian[i] = littleEndian[bigEndian.length - 1 - i];
    }
    BigInteger value = new BigInteger(bigEndian);
    if (value.bitLength() > 63) {
      throw wrong("expected integers below 2^63, found " + value);
    }
    return new Whole(value.longValue());
  }

  private Text text(int length) throws CorruptFileException {
    try {
      return new Text(
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes(length))).toString());
    } catch (CharacterCodingException e) {
      throw new CorruptFileException(file, "pickle: expected UTF-8 text, found other bytes", e);
    }
  }

  private byte[] bytes(int length) throws CorruptFileException {
    if (length < 0 || length > pickle.remaining()) {
      throw wrong(
          "expected at most "
              + pickle.remaining()
              + " bytes of text, found a length of "
              + Integer.toUnsignedString(length));
    }
    byte[] bytes = new byte[length];
    pickle.get(bytes);
    return bytes;
  }

  /** Up to a line feed, which is dropped. */
  private String line() throws CorruptFileException {
    int start = pickle.position();
    while (pickle.get() != '\n') {}
    int length = pickle.position() - start - 1;
    pickle.position(start);
    String line = text(length).text();
    pickle.get();
    return line;
  }

  private Global global(String module, String name) throws CorruptFileException {
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

  private PickleValue call(PickleValue callee, List<PickleValue> arguments)
      throws CorruptFileException {
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
        storage, offset, wholes(tuple(arguments.get(2))), wholes(tuple(arguments.get(3))));
  }

  /** A parameter is its tensor. */
  private Tensor parameter(List<PickleValue> arguments) throws CorruptFileException {
    if (arguments.size() != 3 || !(arguments.get(0) instanceof Tensor tensor)) {
      throw wrong("_rebuild_parameter: expected a tensor, requires_grad and hooks");
    }
    return tensor;
  }

  /** ("storage", type, key, device, elements); the device does not matter. */
  private Storage storage(List<PickleValue> id) throws CorruptFileException {
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

  /** Modules attach versions to their dictionary of tensors; they say nothing about weights. */
  private void setState(PickleValue state) throws CorruptFileException {
    if (!(top() instanceof Dict) || !(state instanceof Dict)) {
      throw wrong("BUILD: expected attributes of a dictionary, found those of a " + top().kind());
    }
  }

  private void append(List<PickleValue> values) throws CorruptFileException {
    if (!(top() instanceof Listing listing)) {
      throw wrong("APPEND: expected a list, found a " + top().kind());
    }
    listing.elements().addAll(values);
  }

  private void put(List<PickleValue> keysAndValues) throws CorruptFileException {
    if (!(top() instanceof Dict dict) || keysAndValues.size() % 2 != 0) {
      throw wrong("SETITEM: expected a dictionary and pairs, found a " + top().kind());
    }
    for (int i = 0; i < keysAndValues.size(); i += 2) {
      String key = text(keysAndValues.get(i));
      if (dict.entries().put(key, keysAndValues.get(i + 1)) != null) {
        throw wrong("expected every key once, found `" + key + "` twice");
      }
    }
  }

  private String text(PickleValue value) throws CorruptFileException {
    if (!(value instanceof Text(String text))) {
      throw wrong("expected a text, found a " + value.kind());
    }
    return text;
  }

  private List<PickleValue> tuple(PickleValue value) throws CorruptFileException {
    if (!(value instanceof Tuple(List<PickleValue> elements))) {
      throw wrong("expected a tuple, found a " + value.kind());
    }
    return elements;
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

  private void recall(int index) throws CorruptFileException {
    PickleValue value = memo.get(index);
    if (value == null) {
      throw wrong("memo: expected a value under " + index + ", found none");
    }
    push(value);
  }

  private void push(PickleValue value) {
    stack.add(new Slot.Value(value));
  }

  private PickleValue top() throws CorruptFileException {
    PickleValue value = pop();
    push(value);
    return value;
  }

  private PickleValue pop() throws CorruptFileException {
    return pop(1).getFirst();
  }

  private List<PickleValue> pop(int count) throws CorruptFileException {
    List<PickleValue> values = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      if (stack.isEmpty() || !(stack.removeLast() instanceof Slot.Value(PickleValue value))) {
        throw wrong("expected a value on the stack, found none");
      }
      values.add(value);
    }
    return values.reversed();
  }

  private List<PickleValue> popToMark() throws CorruptFileException {
    List<PickleValue> values = new ArrayList<>();
    while (!stack.isEmpty()) {
      if (!(stack.removeLast() instanceof Slot.Value(PickleValue value))) {
        return values.reversed();
      }
      values.add(value);
    }
    throw wrong("expected a mark on the stack, found none");
  }

  private CorruptFileException wrong(String problem) {
    return new CorruptFileException(file, "pickle: " + problem);
  }
}
