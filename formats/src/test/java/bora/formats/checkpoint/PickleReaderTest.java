package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import bora.formats.CorruptFileException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a pickle may say. Each is written opcode by opcode, one char a byte. */
class PickleReaderTest {
  private static final Path FILE = Path.of("model.pth");
  private static final String STORAGE =
      "(\u008c\u0007storagectorch\nHalfStorage\n\u008c\u00010\u008c\u0003cpuK\u0006tQ";
  private static final String REBUILD = "\u0080\u0002ctorch._utils\n_rebuild_tensor_v2\n";

  private static PickleValue read(String pickle) throws CorruptFileException {
    return PickleReader.read(FILE, pickle.getBytes(StandardCharsets.ISO_8859_1));
  }

  static List<Arguments> abuses() {
    return List.of(
        abuse("a shell", "\u0080\u0002cposix\nsystem\nX\u0002\0\0\0id\u0085R.", "`posix.system`"),
        abuse("the shell of Python 2", "cos\nsystem\n(S'id'\ntR.", "`os.system`"),
        abuse("eval", "c__builtin__\neval\nX\u0001\0\0\0x\u0085R.", "`__builtin__.eval`"),
        abuse(
            "exec by name on the stack",
            "\u008c\u0008builtins\u008c\u0004exec\u0093.",
            "`builtins.exec`"),
        abuse("a subprocess", "csubprocess\nPopen\n)R.", "`subprocess.Popen`"),
        abuse("torch's own loader", "ctorch\nload\n)R.", "`torch.load`"),
        abuse(
            "another rebuild function",
            "ctorch._utils\n_rebuild_qtensor\n)R.",
            "`torch._utils._rebuild_qtensor`"),
        abuse(
            "a name with dots",
            "\u008c\u0005torch\u008c\u0016_utils.__import__.nope\u0093.",
            "`torch._utils.__import__.nope`"),
        abuse(
            "a module with an allowed end",
            "cevil.collections\nOrderedDict\n)R.",
            "`evil.collections.OrderedDict`"),
        abuse("INST", "(iposix\nsystem\n.", "found 0x69"),
        abuse("OBJ", "(ccollections\nOrderedDict\no.", "found 0x6f"),
        abuse("NEWOBJ", "ccollections\nOrderedDict\n)\u0081.", "found 0x81"),
        abuse("NEWOBJ_EX", "ccollections\nOrderedDict\n)}\u0092.", "found 0x92"),
        abuse("an extension", "\u0082\u0001.", "found 0x82"),
        abuse("a persistent id as text", "P1\n.", "found 0x50"),
        abuse("a buffer outside", "\u0097.", "found 0x97"),
        abuse("a call of what is no function", "K\u0001)R.", "found one of a whole"),
        abuse(
            "a call of a storage's type",
            "ctorch\nFloatStorage\n)R.",
            "a call of torch.FloatStorage"),
        abuse(
            "a dictionary made of arguments",
            "ccollections\nOrderedDict\n]\u0085R.",
            "expected no arguments"),
        abuse("attributes of a number", "K\u0001}b.", "BUILD"),
        abuse("attributes that are none", "}K\u0001b.", "BUILD"),
        abuse(
            "a storage of no storage type",
            STORAGE.replace("ctorch\nHalfStorage", "ccollections\nOrderedDict") + ".",
            "persistent id"),
        abuse("a persistent id of another kind", "(\u008c\u0006modulet" + "Q.", "persistent id"),
        abuse(
            "a storage of negative size",
            STORAGE.replace("K\u0006", "J\u00ff\u00ff\u00ff\u00ff") + ".",
            "persistent id"),
        abuse("a tensor of no storage", REBUILD + "(NK\u0000))\u0089NtR.", "_rebuild_tensor_v2"),
        abuse(
            "a tensor of five arguments",
            REBUILD + "(" + STORAGE + "K\u0000))\u0089tR.",
            "_rebuild_tensor_v2"),
        abuse(
            "sizes that are texts",
            REBUILD + "(" + STORAGE + "K\u0000\u008c\u0001x\u0085)\u0089NtR.",
            "expected an integer, found a text"),
        abuse(
            "more dimensions than any tensor",
            REBUILD + "(" + STORAGE + "K\u0000(" + "K\u0001".repeat(17) + "t)\u0089NtR.",
            "expected at most 16 dimensions, found 17"),
        abuse(
            "a parameter of no tensor",
            "ctorch._utils\n_rebuild_parameter\nNNN\u0087R.",
            "_rebuild_parameter"),
        abuse("nothing", "", "ends early"),
        abuse("no end", "\u0080\u0002}", "ends early"),
        abuse("an end without a value", ".", "expected a value on the stack"),
        abuse("two values", "}}.", "expected one value"),
        abuse("bytes behind the end", "}.N", "expected one value"),
        abuse("a mark for a value", "(.", "expected a value on the stack"),
        abuse("a mark that is not there", "}u.", "expected a mark"),
        abuse("a key without its value", "}(\u008c\u0001au.", "SETITEM"),
        abuse("a key that is no text", "}K\u0001Ns.", "expected a text, found a whole"),
        abuse("a key twice", "}(\u008c\u0001aN\u008c\u0001aNu.", "found `a` twice"),
        abuse("an item of a list in a dictionary", "]\u008c\u0001aNs.", "SETITEM"),
        abuse("an element of no list", "}Na.", "APPEND"),
        abuse("a memo never written", "h\u0007.", "memo"),
        abuse("protocol 1", "\u0080\u0001}.", "protocol: expected 2 to 5, found 1"),
        abuse("protocol 6", "\u0080\u0006}.", "protocol"),
        abuse("a text longer than the file", "X\u00ff\u00ff\u00ff\u007fab", "bytes of text"),
        abuse("a text of negative length", "X\u00ff\u00ff\u00ff\u00ffab", "4294967295"),
        abuse("a text that is no UTF-8", "\u008c\u0001\u00ff.", "UTF-8"),
        abuse("a number that fills the file", "\u008a\n" + "\u007f".repeat(10) + ".", "2^63"),
        abuse("a name without an end", "ctorch", "ends early"));
  }

  private static Arguments abuse(String what, String pickle, String word) {
    return Arguments.of(what, pickle, word);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("abuses")
  void refuses(String what, String pickle, String word) {
    assertCorrupt(FILE, () -> read(pickle), "pickle", word);
  }

  @Test
  void everyOtherOpcodeIsRefusedOrFindsNoValue() throws CorruptFileException {
    int accepted = 0;
    for (int opcode = 0; opcode < 256; opcode++) {
      try {
        read((char) opcode + "\0\0\0\0\0\0\0\0\0\n\n.");
        accepted++;
      } catch (CorruptFileException e) {
        // the only way to fail
      }
    }
    assertEquals(0, accepted);
  }

  @Test
  void selfContainingValuesAreHarmless() throws CorruptFileException {
    PickleValue.Dict dict =
        assertInstanceOf(PickleValue.Dict.class, read("\u0080\u0004}\u0094\u008c\u0001ah\u0000s."));
    assertEquals(1, dict.entries().size());
    assertInstanceOf(PickleValue.Listing.class, read("]q\0h\0a."));
  }

  /** Thirty levels of a tuple with itself thrice: 3^30 elements if anything walked through them. */
  @Test
  void nestedTuplesAreNotUnfolded() throws CorruptFileException {
    StringBuilder bomb = new StringBuilder("N");
    for (int level = 0; level < 30; level++) {
      bomb.append("q").append((char) level).append("h").append((char) level);
      bomb.append("h").append((char) level).append("\u0087");
    }
    assertInstanceOf(PickleValue.Tuple.class, read(bomb + "."));
    assertCorrupt(FILE, () -> read("}" + bomb + "Ns."), "expected a text, found a tuple");
  }

  @ParameterizedTest
  @ValueSource(strings = {"HalfStorage", "BFloat16Storage", "FloatStorage", "LongStorage"})
  void describesTensors(String type) throws CorruptFileException {
    String storage = STORAGE.replace("HalfStorage", type);
    PickleValue.Tensor tensor =
        assertInstanceOf(
            PickleValue.Tensor.class,
            read(
                REBUILD
                    + "("
                    + storage
                    + "K\u0001K\u0002K\u0003\u0086K\u0003K\u0001\u0086\u0089"
                    + "ccollections\nOrderedDict\n)RtR."));
    assertEquals(List.of(2L, 3L), tensor.dimensions());
    assertEquals(List.of(3L, 1L), tensor.strides());
    assertEquals(1, tensor.offsetElements());
    assertEquals("0", tensor.storage().key());
    assertEquals(6, tensor.storage().elements());
    assertEquals("torch." + type, tensor.storage().type().qualifiedName());
  }

  @Test
  void randomBytesAreCorruptAndNothingElse() {
    String alphabet =
        "()]}tueasbRQcNKMJX.h\nq\u0080\u0085\u0086\u0087\u0088\u008a\u008c\u0093\u0094";
    for (int seed = 0; seed < 20_000; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      StringBuilder pickle = new StringBuilder();
      for (int i = random.nextInt(30); i >= 0; i--) {
        pickle.append(
            random.nextInt(4) == 0
                ? (char) random.nextInt(256)
                : alphabet.charAt(random.nextInt(alphabet.length())));
      }
      try {
        PickleValue unused = read(pickle.toString());
      } catch (CorruptFileException e) {
        // the only way to fail
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + seed, e);
      }
    }
  }
}
