package bora.converter.oci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import bora.formats.ProgressListener;
import bora.formats.Sha256;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelTransferTest {
  private static final Map<String, String> FILES =
      Map.of("README.md", "card\n", "m.bora", "weights", "LICENSE", "", "copy.bora", "weights");

  @TempDir private Path directory;
  private Path layout;
  private String digest;

  @BeforeEach
  void writesALayout() throws IOException {
    layout = directory.resolve("oci");
    digest = writeLayout(layout);
  }

  private String writeLayout(Path to) throws IOException {
    Path model = Files.createDirectories(directory.resolve("model"));
    SequencedMap<String, String> hashes = new LinkedHashMap<>();
    for (Map.Entry<String, String> file : FILES.entrySet()) {
      Files.writeString(model.resolve(file.getKey()), file.getValue());
      hashes.put(file.getKey(), Sha256.of(file.getValue().getBytes(StandardCharsets.UTF_8)));
    }
    ModelDescriptor descriptor =
        new ModelDescriptor(
            "tiny",
            "mixtral",
            Optional.empty(),
            Optional.of("Apache-2.0"),
            List.of("en"),
            46_702_792_704L,
            Instant.EPOCH);
    return new ModelPackLayout(descriptor).write(model, hashes, to);
  }

  private static ModelTransfer transfer(String reference, Map<String, String> environment) {
    return new ModelTransfer(RegistryReference.parse(reference), true, environment);
  }

  private ModelTransfer transfer(String reference) {
    return transfer(reference, Map.of("DOCKER_CONFIG", directory.toString()));
  }

  private void assertPulled(Path pulled) throws IOException {
    try (Stream<Path> found = Files.list(pulled)) {
      assertEquals(FILES.size(), found.count());
    }
    for (Map.Entry<String, String> file : FILES.entrySet()) {
      assertEquals(file.getValue(), Files.readString(pulled.resolve(file.getKey())));
    }
  }

  @Test
  void aLayoutHasOneDigestForEqualFiles() throws IOException {
    assertEquals(digest, writeLayout(directory.resolve("again")));
    // Changes of what is written here are on purpose, or a mistake.
    assertEquals("sha256:eb7a40ede7ca0d7d520f1ab5ac78a960bd8a551e25cfa213f0b71398804b4e21", digest);
  }

  @Test
  void whatIsPushedToARegistryIsPulledWithTheSameDigests() throws Exception {
    Optional<Path> program = RegistryProcess.program();
    assumeTrue(
        program.isPresent(), "no docker-registry here (Debian's package of that name has it)");
    try (RegistryProcess registry = RegistryProcess.start(program.get(), directory)) {
      String reference = registry.host() + "/owner/tiny:4.5bpw";
      assertEquals(digest, transfer(reference).push(layout, ProgressListener.NONE));
      // What is there already is not sent again, and the tag may move.
      assertEquals(digest, transfer(reference).push(layout, ProgressListener.NONE));
      Path pulled = directory.resolve("pulled");
      assertEquals(digest, transfer(reference).pull(pulled, ProgressListener.NONE));
      assertPulled(pulled);
      Path byDigest = directory.resolve("by-digest");
      transfer(registry.host() + "/owner/tiny@" + digest).pull(byDigest, ProgressListener.NONE);
      assertPulled(byDigest);
      IOException missing =
          assertThrows(
              IOException.class,
              () ->
                  transfer(registry.host() + "/owner/other")
                      .pull(directory.resolve("none"), ProgressListener.NONE));
      assertTrue(missing.getMessage().contains("404"), missing.getMessage());
      assertFalse(Files.exists(directory.resolve("none")));
    }
  }

  @Test
  void saysThatARegistryIsAway() throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    IOException away =
        assertThrows(
            IOException.class,
            () -> transfer("127.0.0.1:" + port + "/m").push(layout, ProgressListener.NONE));
    assertTrue(away.getMessage().contains("cannot be reached"), away.getMessage());
  }

  @Test
  void refusesToPushADamagedBlob() throws IOException {
    Path blob =
        layout
            .resolve("blobs/sha256")
            .resolve(Sha256.of("weights".getBytes(StandardCharsets.UTF_8)));
    Files.delete(blob);
    Files.writeString(blob, "Weights");
    IOException damaged =
        assertThrows(
            IOException.class, () -> transfer("127.0.0.1:1/m").push(layout, ProgressListener.NONE));
    assertTrue(damaged.getMessage().contains("damaged"), damaged.getMessage());
  }

  /** A registry in this process, which keeps what it is given and can be told to misbehave. */
  private static final class FakeRegistry implements AutoCloseable {
    private final HttpServer server;
    private final Map<String, byte[]> content = new ConcurrentHashMap<>();
    private String authorization;
    private int refusal;

    FakeRegistry() throws IOException {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      server.createContext("/", this::answer);
      server.start();
    }

    String host() {
      return "127.0.0.1:" + server.getAddress().getPort();
    }

    private void answer(HttpExchange exchange) throws IOException {
      byte[] body = exchange.getRequestBody().readAllBytes();
      String path = exchange.getRequestURI().getPath();
      String method = exchange.getRequestMethod();
      if (path.equals("/token")) {
        boolean known =
            ("Basic "
                    + Base64.getEncoder()
                        .encodeToString("me:secret".getBytes(StandardCharsets.UTF_8)))
                .equals(exchange.getRequestHeaders().getFirst("Authorization"));
        reply(exchange, known ? 200 : 401, known ? "{\"token\":\"t\"}" : "{}");
      } else if (refusal != 0) {
        reply(exchange, refusal, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not you\"}]}");
      } else if (authorization != null
          && !authorization.equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
        String realm =
            "Bearer realm=\"http://"
                + host()
                + "/token\",service=\"s\",scope=\"repository:m:pull\"";
        exchange
            .getResponseHeaders()
            .add("WWW-Authenticate", authorization.startsWith("Bearer") ? realm : "Basic realm=x");
        reply(exchange, 401, "{}");
      } else if (method.equals("POST")) {
        exchange.getResponseHeaders().add("Location", "/v2/m/blobs/uploads/1?state=x");
        reply(exchange, 202, "");
      } else if (method.equals("PUT")) {
        String query = exchange.getRequestURI().getQuery();
        content.put(
            query == null ? path : "/v2/m/blobs/" + query.substring(query.indexOf("sha256")), body);
        reply(exchange, 201, "");
      } else {
        byte[] found = content.get(path);
        exchange.sendResponseHeaders(
            found == null ? 404 : 200, found == null || method.equals("HEAD") ? -1 : length(found));
        if (found != null && method.equals("GET")) {
          exchange.getResponseBody().write(found);
        }
        exchange.close();
      }
    }

    private static long length(byte[] bytes) {
      return bytes.length == 0 ? -1 : bytes.length;
    }

    private static void reply(HttpExchange exchange, int status, String text) throws IOException {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      boolean head = exchange.getRequestMethod().equals("HEAD");
      exchange.sendResponseHeaders(status, head ? -1 : length(bytes));
      if (!head && bytes.length > 0) {
        exchange.getResponseBody().write(bytes);
      }
      exchange.close();
    }

    @Override
    public void close() {
      server.stop(0);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "Bearer t", "Basic bWU6c2VjcmV0"})
  void logsInAsTheRegistryDemands(String authorization) throws IOException {
    try (FakeRegistry registry = new FakeRegistry()) {
      registry.authorization = authorization.isEmpty() ? null : authorization;
      Files.writeString(
          directory.resolve("config.json"),
          "{\"auths\":{\"" + registry.host() + "\":{\"auth\":\"bWU6c2VjcmV0\"}}}");
      transfer(registry.host() + "/m").push(layout, ProgressListener.NONE);
      Path pulled = directory.resolve("pulled");
      assertEquals(digest, transfer(registry.host() + "/m").pull(pulled, ProgressListener.NONE));
      assertPulled(pulled);
    }
  }

  @ParameterizedTest
  @CsvSource({"401,docker login", "403,DENIED not you", "500,HTTP status 500"})
  void saysWhyARegistryRefuses(int status, String message) throws IOException {
    try (FakeRegistry registry = new FakeRegistry()) {
      registry.refusal = status;
      ModelTransfer transfer = transfer(registry.host() + "/m");
      Path out = directory.resolve("out");
      for (IOException refusal :
          List.of(
              assertThrows(IOException.class, () -> transfer.push(layout, ProgressListener.NONE)),
              assertThrows(IOException.class, () -> transfer.pull(out, ProgressListener.NONE)))) {
        String expected = refusal.getMessage().contains("blob") ? "HTTP status " + status : message;
        assertTrue(refusal.getMessage().contains(expected), refusal.getMessage());
      }
      assertFalse(Files.exists(out));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"../evil", "/evil", "a/../../evil", "", "m.bora/", "a//b", "./x"})
  void refusesFilesThatWouldLeaveTheDirectory(String name) throws IOException {
    try (FakeRegistry registry = new FakeRegistry()) {
      transfer(registry.host() + "/m").push(layout, ProgressListener.NONE);
      String manifest =
          new String(registry.content.get("/v2/m/manifests/latest"), StandardCharsets.UTF_8);
      registry.content.put(
          "/v2/m/manifests/latest",
          manifest
              .replace(
                  "\"org.cncf.model.filepath\":\"README.md\"",
                  "\"org.cncf.model.filepath\":\"" + name + "\"")
              .getBytes(StandardCharsets.UTF_8));
      Path out = directory.resolve("out");
      IOException refusal =
          assertThrows(
              IOException.class,
              () -> transfer(registry.host() + "/m").pull(out, ProgressListener.NONE));
      assertTrue(refusal.getMessage().contains("file path"), refusal.getMessage());
      assertFalse(Files.exists(out));
    }
  }

  @Test
  void refusesABlobThatIsNotWhatTheManifestNames() throws IOException {
    try (FakeRegistry registry = new FakeRegistry()) {
      transfer(registry.host() + "/m").push(layout, ProgressListener.NONE);
      String blob = "/v2/m/blobs/sha256:" + Sha256.of("weights".getBytes(StandardCharsets.UTF_8));
      for (String other : List.of("Weights", "weight", "weights and more")) {
        registry.content.put(blob, other.getBytes(StandardCharsets.UTF_8));
        Path out = directory.resolve("out");
        IOException refusal =
            assertThrows(
                IOException.class,
                () -> transfer(registry.host() + "/m").pull(out, ProgressListener.NONE));
        assertTrue(
            refusal.getMessage().contains("not what the manifest names"), refusal.getMessage());
        assertFalse(Files.exists(out));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "false, /v2/x?y=z, https://host/v2/x?y=z",
    "false, https://elsewhere/blob, https://elsewhere/blob",
    "false, http://host/v2/x, unsafe address",
    "false, file:///etc/passwd, unsafe address",
    "false, mailto:a, unsafe address",
    "false, https:///x, unsafe address",
    "false, https://[, no address",
    "false, 'https://a b', no address",
    "true, http://elsewhere/blob, http://elsewhere/blob",
    "true, ftp://host/v2/x, unsafe address"
  })
  void followsTheAddressesOfARegistryWhereTheyAreSafe(
      boolean plainHttp, String location, String expected) throws IOException {
    RegistryReference reference = RegistryReference.parse("host/m");
    URI base = URI.create("https://host/v2/m/blobs/uploads/");
    try (RegistryClient client =
        new RegistryClient(
            reference, plainHttp, RegistryCredentials.of(reference.host(), Map.of()))) {
      if (expected.contains("://")) {
        assertEquals(URI.create(expected), client.address(base, location));
      } else {
        IOException refusal = assertThrows(IOException.class, () -> client.address(base, location));
        assertTrue(refusal.getMessage().contains(expected), refusal.getMessage());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"model", "Host/Upper", "h/m:", "h/m@sha256:12", "h:/m", "h/m:-x", "/m"})
  void refusesReferencesThatAreNone(String text) {
    assertThrows(IllegalArgumentException.class, () -> RegistryReference.parse(text));
  }
}
