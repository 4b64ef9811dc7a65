package bora.converter.oci;

import java.net.URI;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A model in a registry: {@code HOST[:PORT]/REPOSITORY[:TAG|@sha256:DIGEST]}.
 *
 * @param version a tag or a digest
 */
public record RegistryReference(String host, String repository, String version) {
  private static final Pattern FORM =
      Pattern.compile(
          "(?<host>[A-Za-z0-9.-]+(:[0-9]{1,5})?|\\[[0-9a-fA-F:]+\\](:[0-9]{1,5})?)"
              + "/(?<repository>[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)"
              + "(:(?<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})|@(?<digest>sha256:[0-9a-f]{64}))?");

  private static final Pattern LOOPBACK =
      Pattern.compile("(localhost|127\\.[0-9.]+|\\[::1\\])(:[0-9]+)?");

  /**
   * @throws IllegalArgumentException for anything else
   */
  public static RegistryReference parse(String text) {
    Matcher matcher = FORM.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "expected HOST[:PORT]/REPOSITORY[:TAG], the repository in lower case, found `"
              + text
              + "`");
    }
    String version = matcher.group("digest");
    if (version == null) {
      version = matcher.group("tag") == null ? "latest" : matcher.group("tag");
    }
    return new RegistryReference(matcher.group("host"), matcher.group("repository"), version);
  }

  boolean isDigest() {
    return version.startsWith("sha256:");
  }

  /** Whether the host is this machine, which is spoken to without encryption. */
  public boolean isLoopback() {
    return LOOPBACK.matcher(host).matches();
  }

  /** The address of something in the repository. */
  URI uri(boolean plainHttp, String path) {
    return URI.create(
        (plainHttp ? "http://" : "https://") + host + "/v2/" + repository + "/" + path);
  }

  @Override
  public String toString() {
    return host + "/" + repository + (isDigest() ? "@" : ":") + version;
  }
}
