package bora.converter.oci;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** Debian's {@code docker-registry}, run on a port of this machine while a test lasts. */
final class RegistryProcess implements AutoCloseable {
  private static final Duration MAX_START = Duration.ofSeconds(20);

  private final Process process;
  private final int port;

  private RegistryProcess(Process process, int port) {
    this.process = process;
    this.port = port;
  }

  /** Where the program is, if it is installed. */
  static Optional<Path> program() {
    return List.of("/usr/bin/docker-registry", "/usr/local/bin/docker-registry").stream()
        .map(Path::of)
        .filter(Files::isExecutable)
        .findFirst();
  }

  static RegistryProcess start(Path program, Path directory) throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    Path config =
        Files.writeString(
            directory.resolve("registry.yml"),
            """
            version: 0.1
            log: {level: error, accesslog: {disabled: true}}
            storage: {filesystem: {rootdirectory: %s}}
            http: {addr: "127.0.0.1:%d", secret: none}
            """
                .formatted(directory.resolve("storage"), port));
    Process process =
        new ProcessBuilder(program.toString(), "serve", config.toString())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("registry.log").toFile())
            .start();
    RegistryProcess registry = new RegistryProcess(process, port);
    Instant deadline = Instant.now().plus(MAX_START);
    while (!registry.answers()) {
      if (!process.isAlive() || Instant.now().isAfter(deadline)) {
        registry.close();
        throw new IOException(Files.readString(directory.resolve("registry.log")));
      }
      Thread.sleep(20);
    }
    return registry;
  }

  private boolean answers() {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress("127.0.0.1", port), 200);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  String host() {
    return "127.0.0.1:" + port;
  }

  @Override
  public void close() {
    process.destroyForcibly();
    process.onExit().join();
  }
}
