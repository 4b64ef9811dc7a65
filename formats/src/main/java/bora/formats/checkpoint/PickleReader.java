package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.checkpoint.PickleValue.Dict;
import bora.formats.checkpoint.PickleValue.Listing;
import bora.formats.checkpoint.PickleValue.Scalar;
import bora.formats.checkpoint.PickleValue.Text;
import bora.formats.checkpoint.PickleValue.Tuple;
import bora.formats.checkpoint.PickleValue.Whole;
import java.nio.BufferUnderflowException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;

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
  private final Path file;
  private final PickleScanner pickle;
  private final PickleStack stack;
  private final PyTorchCalls calls;

  private PickleReader(Path file, byte[] pickle) {
    this.file = file;
    this.pickle = new PickleScanner(file, pickle);
    this.stack = new PickleStack(file);
    this.calls = new PyTorchCalls(file);
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
      int opcode = pickle.unsignedByte();
      if (opcode == '.') {
        return end();
      }
      execute(opcode, at);
    }
  }

  private PickleValue end() throws CorruptFileException {
    PickleValue result = stack.pop();
    if (!stack.isEmpty() || !pickle.isAtEnd()) {
      throw wrong("expected one value and nothing behind it, found more");
    }
    return result;
  }

  private void execute(int opcode, int at) throws CorruptFileException {
    switch (opcode) {
      case 0x80 -> requireProtocol(pickle.unsignedByte());
      case 0x95 -> pickle.skipEight(); // FRAME: a hint how far to read ahead
      case '(' -> stack.mark();
      case 'N' -> stack.push(Scalar.NONE);
      case 0x88 -> stack.push(new Whole(1));
      case 0x89 -> stack.push(new Whole(0));
      case 'K' -> stack.push(new Whole(pickle.unsignedByte()));
      case 'M' -> stack.push(new Whole(pickle.unsignedShort()));
      case 'J' -> stack.push(new Whole(pickle.integer()));
      case 0x8a -> stack.push(new Whole(pickle.longInteger()));
      case 'G' -> {
        pickle.skipEight();
        stack.push(Scalar.FLOAT);
      }
      case 'X' -> stack.push(new Text(pickle.text(pickle.integer())));
      case 0x8c -> stack.push(new Text(pickle.text(pickle.unsignedByte())));
      case ')' -> stack.push(new Tuple(List.of()));
      case 0x85 -> stack.push(new Tuple(stack.pop(1)));
      case 0x86 -> stack.push(new Tuple(stack.pop(2)));
      case 0x87 -> stack.push(new Tuple(stack.pop(3)));
      case 't' -> stack.push(new Tuple(stack.popToMark()));
      case ']' -> stack.push(new Listing());
      case 'a' -> append(stack.pop(1));
      case 'e' -> append(stack.popToMark());
      case '}' -> stack.push(new Dict());
      case 's' -> put(stack.pop(2));
      case 'u' -> put(stack.popToMark());
      case 'q' -> stack.memoize(pickle.unsignedByte());
      case 'r' -> stack.memoize(pickle.integer());
      case 0x94 -> stack.memoize();
      case 'h' -> stack.recall(pickle.unsignedByte());
      case 'j' -> stack.recall(pickle.integer());
      case 'c' -> stack.push(calls.global(pickle.line(), pickle.line()));
      case 0x93 -> {
        String name = text(stack.pop());
        stack.push(calls.global(text(stack.pop()), name));
      }
      case 'R' -> {
        PickleValue arguments = stack.pop();
        stack.push(calls.call(stack.pop(), arguments));
      }
      case 'Q' -> stack.push(calls.storage(stack.pop()));
      case 'b' -> setState(stack.pop());
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

  private void requireProtocol(int version) throws CorruptFileException {
    if (version < 2 || version > 5) {
      throw wrong("protocol: expected 2 to 5, found " + version);
    }
  }

  /** Modules attach versions to their dictionary of tensors; they say nothing about weights. */
  private void setState(PickleValue state) throws CorruptFileException {
    if (!(stack.top() instanceof Dict) || !(state instanceof Dict)) {
      throw wrong(
          "BUILD: expected attributes of a dictionary, found those of a " + stack.top().kind());
    }
  }

  private void append(List<PickleValue> values) throws CorruptFileException {
    if (!(stack.top() instanceof Listing listing)) {
      throw wrong("APPEND: expected a list, found a " + stack.top().kind());
    }
    listing.elements().addAll(values);
  }

  private void put(List<PickleValue> keysAndValues) throws CorruptFileException {
    if (!(stack.top() instanceof Dict dict) || keysAndValues.size() % 2 != 0) {
      throw wrong("SETITEM: expected a dictionary and pairs, found a " + stack.top().kind());
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

  private CorruptFileException wrong(String problem) {
    return wrong(file, problem);
  }

  static CorruptFileException wrong(Path file, String problem) {
    return new CorruptFileException(file, "pickle: " + problem);
  }
}
