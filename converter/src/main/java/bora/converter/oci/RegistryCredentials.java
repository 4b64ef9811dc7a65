package bora.converter.oci;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * Who one is at a registry, as {@code docker login} left it in its configuration: the base64 of
 * {@code user:password}. Programs that keep credentials elsewhere are not asked.
 */
record RegistryCredentials(Optional<String> basic) {
  private static final int MAX_BYTES = 1 << 20;

  /**
   * @param environment {@code DOCKER_CONFIG} names the directory, else {@code ~/.docker}
   */
  static RegistryCredentials of(String host, Map<String, String> environment) throws IOException {
    Path directory =
        Optional.ofNullable(environment.get("DOCKER_CONFIG"))
            .map(Path::of)
            .orElse(Path.of(System.getProperty("user.home"), ".docker"));
    Path file = directory.resolve("config.json");
    if (!Files.isRegularFile(file)) {
      return new RegistryCredentials(Optional.empty());
    }
    JsonNode auth = StrictJson.readObject(file, MAX_BYTES).path("auths").path(host).path("auth");
    return new RegistryCredentials(
        auth.isTextual() && !auth.asText().isEmpty()
            ? Optional.of(auth.asText())
            : Optional.empty());
  }
}
