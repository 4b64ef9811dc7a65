package bora.converter.oci;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One repository of a registry by the OCI distribution protocol 1.1. Asks for a token or sends the
 * password when the registry demands it, to the registry's own address and its token service alone.
 */
final class RegistryClient implements AutoCloseable {
  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(20);
  private static final Duration SMALL_REQUEST_TIMEOUT = Duration.ofSeconds(60);
  private static final int MAX_REDIRECTS = 5;
  private static final int MAX_ERROR_BYTES = 64 << 10;
  private static final Pattern PARAMETER = Pattern.compile("([a-z]+)=\"([^\"]*)\"");

  private final RegistryReference reference;
  private final boolean plainHttp;
  private final RegistryCredentials credentials;
  private final HttpClient http =
      HttpClient.newBuilder()
          .connectTimeout(CONNECT_TIMEOUT)
          .followRedirects(HttpClient.Redirect.NEVER)
          .version(HttpClient.Version.HTTP_1_1)
          .build();

  private Optional<String> authorization = Optional.empty();

  RegistryClient(RegistryReference reference, boolean plainHttp, RegistryCredentials credentials) {
    this.reference = reference;
    this.plainHttp = plainHttp;
    this.credentials = credentials;
  }

  /** Whether the repository has a blob. */
  boolean hasBlob(Descriptor blob) throws IOException {
    HttpResponse<InputStream> answer =
        send(uri("blobs/" + blob.digest()), "HEAD", BodyPublishers.noBody(), null);
    drain(answer);
    if (answer.statusCode() == 404) {
      return false;
    }
    require(answer, "asking for a blob", 200);
    return true;
  }

  /** Uploads a blob in one request. */
  void pushBlob(Descriptor blob, Path file) throws IOException {
    HttpResponse<InputStream> begun =
        send(uri("blobs/uploads/"), "POST", BodyPublishers.noBody(), null);
    require(begun, "beginning an upload", 202);
    drain(begun);
    String location =
        begun
            .headers()
            .firstValue("Location")
            .orElseThrow(() -> problem("began an upload without saying where"));
    URI upload = address(begun.uri(), location);
    String query = "digest=" + encode(blob.digest());
    URI target = address(upload, upload + (upload.getRawQuery() == null ? "?" : "&") + query);
    HttpResponse<InputStream> done =
        send(target, "PUT", BodyPublishers.ofFile(file), "application/octet-stream");
    require(done, "uploading " + blob.digest(), 201);
    drain(done);
  }

  /** Puts a manifest under the reference's tag, or its digest. */
  void pushManifest(byte[] json) throws IOException {
    HttpResponse<InputStream> answer =
        send(
            uri("manifests/" + reference.version()),
            "PUT",
            BodyPublishers.ofByteArray(json),
            MediaTypes.MANIFEST);
    require(answer, "putting the manifest", 201);
    drain(answer);
  }

  byte[] manifest() throws IOException {
    HttpResponse<InputStream> answer =
        send(uri("manifests/" + reference.version()), "GET", BodyPublishers.noBody(), null);
    require(answer, "asking for " + reference, 200);
    try (InputStream body = answer.body()) {
      byte[] json = body.readNBytes(ModelManifest.MAX_BYTES + 1);
      if (json.length > ModelManifest.MAX_BYTES) {
        throw problem("a manifest of more than " + ModelManifest.MAX_BYTES + " bytes");
      }
      return json;
    }
  }

  /** The bytes of a blob; the caller closes it. */
  InputStream blob(Descriptor blob) throws IOException {
    HttpResponse<InputStream> answer =
        send(uri("blobs/" + blob.digest()), "GET", BodyPublishers.noBody(), null);
    require(answer, "asking for " + blob.digest(), 200);
    return answer.body();
  }

  private URI uri(String path) {
    return reference.uri(plainHttp, path);
  }

  private HttpResponse<InputStream> send(
      URI uri, String method, BodyPublisher body, String contentType) throws IOException {
    HttpResponse<InputStream> answer = sendOnce(uri, method, body, contentType);
    if (answer.statusCode() == 401 && authorize(answer)) {
      drain(answer);
      answer = sendOnce(uri, method, body, contentType);
    }
    URI at = uri;
    for (int hops = 0; isRedirect(answer); hops++) {
      if (hops == MAX_REDIRECTS) {
        throw problem("too many redirections");
      }
      at =
          address(
              at,
              answer
                  .headers()
                  .firstValue("Location")
                  .orElseThrow(() -> problem("redirects without saying where")));
      drain(answer);
      answer = sendOnce(at, method, body, contentType);
    }
    return answer;
  }

  /**
   * An address that the registry names, which is another's word: followed where it is as safe as
   * the registry's own.
   *
   * @param base what it may be relative to
   */
  URI address(URI base, String text) throws IOException {
    URI address;
    try {
      address = base.resolve(text);
    } catch (IllegalArgumentException e) {
      throw new IOException(reference.host() + ": names no address: `" + text + "`", e);
    }
    boolean safe =
        "https".equalsIgnoreCase(address.getScheme())
            || (plainHttp && "http".equalsIgnoreCase(address.getScheme()));
    if (!safe || address.getHost() == null) {
      throw problem("names an unsafe address: expected one of https, found `" + address + "`");
    }
    return address;
  }

  private static boolean isRedirect(HttpResponse<?> answer) {
    return switch (answer.statusCode()) {
      case 301, 302, 303, 307, 308 -> true;
      default -> false;
    };
  }

  private HttpResponse<InputStream> sendOnce(
      URI uri, String method, BodyPublisher body, String contentType) throws IOException {
    HttpRequest.Builder request = HttpRequest.newBuilder(uri).method(method, body);
    request.header("Accept", MediaTypes.MANIFEST + ", */*");
    if (contentType != null) {
      request.header("Content-Type", contentType);
    } else {
      request.timeout(SMALL_REQUEST_TIMEOUT);
    }
    boolean own = uri.getAuthority().equals(reference.host());
    if (own) {
      authorization.ifPresent(value -> request.header("Authorization", value));
    }
    return exchange(request.build());
  }

  private HttpResponse<InputStream> exchange(HttpRequest request) throws IOException {
    try {
      return http.send(request, BodyHandlers.ofInputStream());
    } catch (ConnectException e) {
      throw new IOException(reference.host() + ": the registry cannot be reached" + reason(e), e);
    } catch (IOException e) {
      throw new IOException(reference.host() + ": talking to the registry failed" + reason(e), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(reference.host() + ": interrupted", e);
    }
  }

  private static String reason(IOException e) {
    return e.getMessage() == null ? "; is it there?" : ": " + e.getMessage();
  }

  /** Learns from a refusal how to ask; whether it is worth asking again. */
  private boolean authorize(HttpResponse<?> refusal) throws IOException {
    if (authorization.isPresent()) {
      return false;
    }
    String challenge = refusal.headers().firstValue("WWW-Authenticate").orElse("");
    if (challenge.regionMatches(true, 0, "Basic", 0, 5)) {
      authorization = credentials.basic().map(basic -> "Basic " + basic);
      return authorization.isPresent();
    }
    if (!challenge.regionMatches(true, 0, "Bearer", 0, 6)) {
      return false;
    }
    authorization = Optional.of("Bearer " + token(challenge));
    return true;
  }

  private String token(String challenge) throws IOException {
    String realm = null;
    StringBuilder query = new StringBuilder();
    Matcher parameters = PARAMETER.matcher(challenge);
    while (parameters.find()) {
      if (parameters.group(1).equals("realm")) {
        realm = parameters.group(2);
      } else if (!parameters.group(1).equals("error")) {
        query.append(query.isEmpty() ? "" : "&");
        query.append(parameters.group(1)).append('=').append(encode(parameters.group(2)));
      }
    }
    if (realm == null) {
      throw problem("demands a token without an address to get it from");
    }
    URI service = address(uri(""), realm + (realm.contains("?") ? "&" : "?") + query);
    HttpRequest.Builder request = HttpRequest.newBuilder(service).timeout(SMALL_REQUEST_TIMEOUT);
    credentials.basic().ifPresent(basic -> request.header("Authorization", "Basic " + basic));
    HttpResponse<InputStream> answer = exchange(request.build());
    require(answer, "asking for a token", 200);
    try (InputStream body = answer.body()) {
      JsonNode json =
          StrictJson.parseObject(Path.of(reference.host()), body.readNBytes(MAX_ERROR_BYTES));
      JsonNode token = json.hasNonNull("token") ? json.get("token") : json.path("access_token");
      return token.asText();
    }
  }

  private void require(HttpResponse<InputStream> answer, String doing, int status)
      throws IOException {
    if (answer.statusCode() == status) {
      return;
    }
    String said = "";
    try (InputStream body = answer.body()) {
      byte[] bytes = body.readNBytes(MAX_ERROR_BYTES);
      JsonNode error =
          StrictJson.parseObject(Path.of(reference.host()), bytes).path("errors").path(0);
      said = ", " + error.path("code").asText() + " " + error.path("message").asText();
    } catch (IOException e) {
      // Not every refusal explains itself; the status says enough.
      said = "";
    }
    String hint =
        switch (answer.statusCode()) {
          case 401, 403 -> "; log in with `docker login " + reference.host() + "`";
          case 404 -> "; is the name right?";
          default -> "";
        };
    throw problem("refused while " + doing + ": HTTP status " + answer.statusCode() + said + hint);
  }

  private IOException problem(String what) {
    return new IOException(reference.host() + ": " + what);
  }

  /** A connection is used again only when its answer was read to the end. */
  private static void drain(HttpResponse<InputStream> answer) throws IOException {
    try (InputStream body = answer.body()) {
      body.readNBytes(MAX_ERROR_BYTES);
    }
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    http.close();
  }
}
