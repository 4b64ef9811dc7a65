package bora.runtime.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.ReadOnlyFileSystemException;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.Properties;

/**
 * Finds the tokenizers' binary for this machine in the jar and loads it, once. The system loads
 * files only, so it is copied to the user's cache directory ({@code XDG_CACHE_HOME}, else {@code
 * ~/.cache}) and found there the next time, or to a temporary file where that cannot be written.
 */
final class NativeBinary {
  private static boolean loaded;

  private NativeBinary() {}

  /**
   * @throws IOException when there is no binary for this machine, or nowhere to copy it to
   */
  static synchronized void load() throws IOException {
    if (!loaded) {
      for (String name : names()) {
        loadFile(locate(name));
      }
      loaded = true;
    }
  }

  /** The binding's classes have this class's loader, so what is loaded here is linked there. */
  @SuppressWarnings("restricted")
  private static void loadFile(Path file) throws IOException {
    try {
      System.load(file.toString());
    } catch (UnsatisfiedLinkError e) {
      throw new IOException(file + ": cannot load the tokenizers' binary: " + e.getMessage(), e);
    }
  }

  /** The library itself last, before it what it needs. */
  private static List<String> names() {
    String library = System.mapLibraryName("tokenizers");
    return os().equals("win")
        ? List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll", library)
        : List.of(library);
  }

  private static Path locate(String name) throws IOException {
    String resourceName = "native/lib/" + os() + "-" + architecture() + "/cpu/" + name;
    URL resource = TokenizersLibrary.class.getResource("/" + resourceName);
    if (resource == null) {
      throw new FileNotFoundException(
          resourceName
              + ": the tokenizers' jar has no binary for this machine; give token ids instead of"
              + " text");
    }
    URLConnection connection = resource.openConnection();
    connection.setUseCaches(false);
    try (InputStream bytes = connection.getInputStream()) {
      Path cached = cacheDirectory().resolve(name);
      if (Files.isRegularFile(cached) && Files.size(cached) == connection.getContentLengthLong()) {
        return cached;
      }
      return copy(bytes, cached);
    }
  }

  private static Path copy(InputStream bytes, Path cached) throws IOException {
    try {
      Files.createDirectories(cached.getParent());
      Path copying = Files.createTempFile(cached.getParent(), "copying", ".tmp");
      Files.copy(bytes, copying, StandardCopyOption.REPLACE_EXISTING);
      return Files.move(copying, cached, StandardCopyOption.ATOMIC_MOVE);
    } catch (AccessDeniedException | FileAlreadyExistsException | ReadOnlyFileSystemException e) {
      Path directory = Files.createTempDirectory("bora");
      Path file = directory.resolve(cached.getFileName());
      Files.copy(bytes, file);
      directory.toFile().deleteOnExit();
      file.toFile().deleteOnExit();
      return file;
    }
  }

  /** A directory a version, so that versions of bora beside each other do not take turns. */
  private static Path cacheDirectory() throws IOException {
    Properties properties = new Properties();
    try (InputStream in =
        TokenizersLibrary.class.getResourceAsStream("/native/lib/tokenizers.properties")) {
      if (in == null) {
        throw new FileNotFoundException("native/lib/tokenizers.properties: not in any jar");
      }
      properties.load(in);
    }
    String configured = System.getenv("XDG_CACHE_HOME");
    Path caches =
        configured == null || configured.isEmpty()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(configured);
    String version = properties.getProperty("version");
    return caches
        .toAbsolutePath()
        .resolve("bora")
        .resolve("tokenizers-" + version + "-" + os() + "-" + architecture());
  }

  private static String os() {
    String name = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    if (name.startsWith("win")) {
      return "win";
    }
    return name.startsWith("mac") ? "osx" : name;
  }

  private static String architecture() {
    String name = System.getProperty("os.arch");
    return name.equals("amd64") ? "x86_64" : name;
  }
}
