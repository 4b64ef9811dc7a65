package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What can happen to a conversion from outside. None of it leaves half a pack under its name. */
class FaultTest {
  private static final Path MIXTRAL = CommandLineRun.example("tiny-mixtral");
  private static final String POLICY = "q8";

  /** About what the journal of the example comes to. */
  private static final long MAX_JOURNAL_BYTES = 10_000;

  private static final String OLDER = "an older pack";

  @TempDir private static Path common;
  private static Path expected;

  @TempDir private Path directory;
  private Path out;
  private Path partial;
  private Path journal;
  private Path printed;

  @BeforeAll
  static void convertUndisturbed() {
    expected = common.resolve("expected.bora");
    CommandLineRun run = CommandLineRun.of("convert", MIXTRAL, "-o", expected, "--policy", POLICY);
    assertEquals(0, run.exitCode(), run.err());
  }

  @BeforeEach
  void setUp() throws IOException {
    out = Files.createDirectory(directory.resolve("out")).resolve("model.bora");
    partial = out.resolveSibling("model.bora.partial");
    journal = out.resolveSibling("model.bora.partial.journal");
    printed = directory.resolve("printed");
    Files.writeString(out, OLDER);
  }

  private ChildProcess start(String speed, Path checkpoint, String... more) throws IOException {
    Object[] arguments =
        Stream.concat(
                Stream.of("convert", checkpoint, "-o", out, "--policy", POLICY, "--threads", 1),
                Stream.of(more))
            .toArray();
    return ChildProcess.start(printed, speed, arguments);
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(out.getParent())) {
      return files.sorted().toList();
    }
  }

  private void assertOldPackIsLeftAlone() throws IOException {
    assertEquals(List.of(out), files());
    assertEquals(OLDER, Files.readString(out));
  }

  private void assertWhole() throws IOException {
    assertEquals(-1, Files.mismatch(expected, out));
    assertEquals(List.of(out), files());
  }

  @Test
  void killedConversionsResumeToTheSameBytes() throws IOException, InterruptedException {
    killAndResume(3, 1);
  }

  @Test
  @Tag("slow")
  void conversionsKilledAtManyMomentsResumeToTheSameBytes()
      throws IOException, InterruptedException {
    killAndResume(100, 2);
  }

  /** A conversion is killed when its journal has got to some length, and a moment later. */
  private void killAndResume(int kills, long seed) throws IOException, InterruptedException {
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < kills; i++) {
      ChildProcess child = start(ChildProcess.QUICK, MIXTRAL, "--resume");
      child.awaitFile(journal, random.nextLong(MAX_JOURNAL_BYTES) - 1);
      Thread.sleep(random.nextLong(20));
      child.kill();
      if (Files.mismatch(expected, out) >= 0) {
        assertEquals(OLDER, Files.readString(out), "kill " + i);
      }
      if (random.nextInt(3) == 0) {
        resume();
        Files.writeString(out, OLDER);
      }
    }
    resume();
  }

  private void resume() throws IOException {
    CommandLineRun resumed =
        CommandLineRun.of("convert", MIXTRAL, "-o", out, "--policy", POLICY, "--resume");
    assertEquals(0, resumed.exitCode(), resumed.err());
    assertWhole();
  }

  @Test
  void aKilledConversionIsNotTakenForAnother() throws IOException, InterruptedException {
    ChildProcess child = start(ChildProcess.SLOW, MIXTRAL);
    child.awaitFile(journal, 200);
    child.kill();
    CommandLineRun other =
        CommandLineRun.of("convert", MIXTRAL, "-o", out, "--policy", "q6", "--resume");
    assertEquals(3, other.exitCode());
    assertTrue(other.err().contains("another conversion"), other.err());
    assertTrue(Files.exists(partial));
    CommandLineRun anew = CommandLineRun.of("convert", MIXTRAL, "-o", out, "--policy", POLICY);
    assertEquals(0, anew.exitCode(), anew.err());
    assertWhole();
  }

  @Test
  void ctrlCLeavesNothingHalfWritten() throws IOException, InterruptedException {
    ChildProcess child = start(ChildProcess.SLOW, MIXTRAL);
    child.awaitFile(journal, 200);
    child.interrupt();
    assertEquals(130, child.exitCode(), child.printed());
    assertOldPackIsLeftAlone();
  }

  @Test
  void ctrlCKeepsWhatIsToBeResumed() throws IOException, InterruptedException {
    ChildProcess child = start(ChildProcess.SLOW, MIXTRAL, "--resume");
    child.awaitFile(journal, 200);
    child.interrupt();
    assertEquals(130, child.exitCode(), child.printed());
    assertEquals(List.of(out, partial, journal), files());
    resume();
  }

  @Test
  void aSecondProcessIsRefusedAndDoesNoHarm() throws IOException, InterruptedException {
    ChildProcess child = start(ChildProcess.SLOW, MIXTRAL);
    child.awaitFile(journal, 200);
    CommandLineRun second =
        CommandLineRun.of("convert", MIXTRAL, "-o", out, "--policy", POLICY, "--resume");
    assertEquals(3, second.exitCode());
    assertTrue(second.err().contains("another process is writing it"), second.err());
    child.kill();
    resume();
  }

  @Test
  void aFullDiskLeavesNothingHalfWritten() throws IOException, InterruptedException {
    ChildProcess child =
        ChildProcess.startLimited(
            printed, "ulimit -f 2000", "convert", MIXTRAL, "-o", out, "--policy", POLICY);
    assertEquals(3, child.exitCode(), child.printed());
    assertTrue(child.printed().contains(partial + ": cannot be written: "), child.printed());
    assertOldPackIsLeftAlone();
  }

  /** Written to disks too small for it, each by an amount that only the last bytes meet. */
  @ParameterizedTest
  @ValueSource(strings = {"convert", "export", "capture", "plan"})
  void aDiskThatIsFullAtTheEndLeavesNothingHalfWritten(String command) throws IOException {
    Path whole = directory.resolve("whole");
    List<Object> arguments =
        switch (command) {
          case "convert" -> List.of("convert", MIXTRAL, "--policy", POLICY, "-o");
          case "export" -> List.of("export", expected, "--gguf");
          case "capture" ->
              List.of(
                  "capture", MIXTRAL, "--tokens", tokens(), "--windows", 1, "--window", 16, "-o");
          default -> List.of("plan", MIXTRAL, "-o");
        };
    assertEquals(0, CommandLineRun.of(with(arguments, whole)).exitCode());
    Path mount = Files.createDirectory(directory.resolve("disk"));
    try (SmallDisk disk = SmallDisk.mount(mount, Files.size(whole) - 4096)) {
      Path full = mount.resolve("output");
      CommandLineRun run = CommandLineRun.of(with(arguments, full));
      assertEquals(3, run.exitCode(), run.err());
      assertTrue(run.err().contains("bora: " + full + ".partial"), run.err());
      assertEquals(List.of(), disk.files());
    }
  }

  private Path tokens() throws IOException {
    return Files.writeString(directory.resolve("tokens"), "1 2 3 4 5 6 7 8 ".repeat(64).strip());
  }

  private static Object[] with(List<Object> arguments, Path last) {
    return Stream.concat(arguments.stream(), Stream.of(last)).toArray();
  }

  @Test
  void outputThatIsRedirectedToAFullDiskIsNotTakenForWritten()
      throws IOException, InterruptedException {
    assumeTrue(Files.isWritable(Path.of("/dev/full")), "needs /dev/full");
    ChildProcess child =
        ChildProcess.startLimited(printed, "exec 1>/dev/full 2>" + printed, "inspect", expected);
    assertEquals(3, child.exitCode(), child.printed());
    assertTrue(child.printed().contains("standard output: cannot be written"), child.printed());
  }

  /** As the launcher starts it where the processor has what machine code needs. */
  @Test
  void aMachineThatForbidsTheMachineCodeItWasStartedForIsToldWhatToDo()
      throws IOException, InterruptedException {
    String options =
        "export JDK_JAVA_OPTIONS='-Dbora.machineCode=required -Dos.arch=another'; ulimit -t 60";
    ChildProcess child =
        ChildProcess.startLimited(printed, options, "generate", expected, "--tokens", "1");
    assertEquals(3, child.exitCode(), child.printed());
    assertTrue(
        child.printed().contains("another; -Dbora.machineCode=off in BORA_JAVA_OPTS computes"),
        child.printed());
  }

  @Test
  void aPackCutShortWhileItComputesIsNamed() throws IOException, InterruptedException {
    Path pack = Files.copy(expected, directory.resolve("pack.bora"));
    ChildProcess child = ChildProcess.start(printed, ChildProcess.QUICK, "bench", pack);
    child.awaitPrinted("measuring");
    Thread.sleep(300);
    try (FileChannel channel = FileChannel.open(pack, StandardOpenOption.WRITE)) {
      channel.truncate(8192);
    }
    assertEquals(3, child.exitCode(), child.printed());
    assertTrue(
        child.printed().contains("bora: " + pack + ": was cut short while it was in use"),
        child.printed());
  }

  @Test
  void ctrlCLeavesNothingOfAnExportAndASecondOneIsRefusedMeanwhile()
      throws IOException, InterruptedException {
    ChildProcess child =
        ChildProcess.start(printed, ChildProcess.SLOW, "export", expected, "--gguf", out);
    child.awaitFile(partial, 200);
    CommandLineRun second = CommandLineRun.of("export", expected, "--gguf", out);
    assertEquals(3, second.exitCode());
    assertTrue(second.err().contains("another process is writing it"), second.err());
    child.interrupt();
    assertEquals(130, child.exitCode(), child.printed());
    assertOldPackIsLeftAlone();
  }

  @Test
  void aSourceCutShortWhileItIsConvertedIsNamed() throws IOException, InterruptedException {
    Path copy = Files.createDirectory(directory.resolve("copy"));
    try (Stream<Path> files = Files.list(MIXTRAL)) {
      for (Path file : files.toList()) {
        Files.copy(file, copy.resolve(file.getFileName()));
      }
    }
    Path shard = copy.resolve("model-00002-of-00002.safetensors");
    ChildProcess child = start(ChildProcess.QUICK, copy);
    child.awaitFile(journal, 200);
    try (FileChannel channel = FileChannel.open(shard, StandardOpenOption.WRITE)) {
      channel.truncate(8192);
    }
    assertEquals(3, child.exitCode(), child.printed());
    assertTrue(child.printed().contains("bora: " + shard + ": "), child.printed());
    assertOldPackIsLeftAlone();
  }

  @Test
  void aDirectoryThatCannotBeWrittenIsNamed() throws IOException {
    assumeTrue(!"root".equals(System.getProperty("user.name")), "root may write everywhere");
    Files.setPosixFilePermissions(out.getParent(), PosixFilePermissions.fromString("r-xr-xr-x"));
    CommandLineRun run = CommandLineRun.of("convert", MIXTRAL, "-o", out, "--policy", POLICY);
    Files.setPosixFilePermissions(out.getParent(), PosixFilePermissions.fromString("rwxr-xr-x"));
    assertEquals(3, run.exitCode());
    assertTrue(run.err().contains(partial + ": permission denied"), run.err());
    assertOldPackIsLeftAlone();
  }

  @Test
  void aPlaceWhereNoFileCanBeMadeIsNamed() {
    Path place = Path.of("/proc/self/model.bora");
    assumeTrue(Files.isDirectory(place.getParent()), "needs /proc");
    CommandLineRun run = CommandLineRun.of("convert", MIXTRAL, "-o", place, "--policy", POLICY);
    assertEquals(3, run.exitCode());
    assertTrue(run.err().contains(place.toString()), run.err());
    assertFalse(run.err().contains("defect"), run.err());
  }
}
