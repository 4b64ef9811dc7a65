package bora.converter.oci;

import bora.converter.StagedDirectory;
import bora.formats.CorruptFileException;
import bora.formats.ProgressListener;
import bora.formats.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Brings a model to a registry and back. */
public final class ModelTransfer {
  private static final int CHUNK_BYTES = 1 << 20;

  private final RegistryReference reference;
  private final boolean plainHttp;
  private final Map<String, String> environment;

  /**
   * @param plainHttp whether to speak without encryption
   * @param environment tells where the credentials are
   */
  public ModelTransfer(
      RegistryReference reference, boolean plainHttp, Map<String, String> environment) {
    this.reference = reference;
    this.plainHttp = plainHttp;
    this.environment = Map.copyOf(environment);
  }

  private RegistryClient client() throws IOException {
    return new RegistryClient(
        reference, plainHttp, RegistryCredentials.of(reference.host(), environment));
  }

  /**
   * Uploads what the repository lacks, each blob after its bytes were checked, and the manifest
   * last: until then nothing is published.
   *
   * @param layout an OCI layout with one model
   * @param progress told bytes
   * @return the manifest's digest
   */
  public String push(Path layout, ProgressListener progress) throws IOException {
    ModelManifest manifest = ModelPackLayout.readManifest(layout);
    List<Descriptor> blobs = new ArrayList<>(manifest.layers());
    blobs.add(manifest.config());
    for (Descriptor blob : blobs) {
      Path file = blob.in(layout);
      if (!Files.isRegularFile(file)) {
        throw new NoSuchFileException(file.toString(), null, "no such blob in the OCI layout");
      }
      if (!Sha256.of(file, progress).equals(blob.sha256())) {
        throw new CorruptFileException(file, "damaged: its bytes do not have the hash of its name");
      }
    }
    try (RegistryClient client = client()) {
      for (Descriptor blob : blobs) {
        if (!client.hasBlob(blob)) {
          client.pushBlob(blob, blob.in(layout));
        }
      }
      client.pushManifest(manifest.json());
    }
    return Descriptor.digestOf(Sha256.of(manifest.json()));
  }

  /**
   * Downloads a model's files; they appear in the directory when all are there and whole.
   *
   * @param out a new or empty directory
   * @param progress told bytes
   * @return the manifest's digest
   */
  public String pull(Path out, ProgressListener progress) throws IOException {
    StagedDirectory.requireFree(out);
    try (RegistryClient client = client();
        StagedDirectory staged = StagedDirectory.of(out)) {
      byte[] json = client.manifest();
      String digest = Descriptor.digestOf(Sha256.of(json));
      if (reference.isDigest() && !digest.equals(reference.version())) {
        throw new IOException(
            reference
                + ": the registry gave another manifest: expected "
                + reference.version()
                + ", found "
                + digest);
      }
      ModelManifest manifest = ModelManifest.read(Path.of(reference.toString()), json);
      for (Descriptor layer : manifest.layers()) {
        Path file = place(staged.path(), layer);
        Files.createDirectories(file.getParent());
        try (InputStream in = client.blob(layer)) {
          save(layer, in, file, progress);
        }
      }
      staged.publish();
      return digest;
    }
  }

  /** A manifest is another's word: a file stays within the directory, under a plain name. */
  private Path place(Path directory, Descriptor layer) throws IOException {
    String name = layer.filePath().orElse("");
    Path file = directory.resolve(name).normalize();
    boolean plain =
        !name.isEmpty()
            && !name.startsWith("/")
            && name.chars().noneMatch(c -> c == '\\' || c < ' ')
            && file.startsWith(directory)
            && !file.equals(directory)
            && directory.relativize(file).toString().equals(name);
    if (!plain || Files.exists(file)) {
      throw new IOException(
          reference
              + ": a layer's file path: expected one within the model, each once, found `"
              + name
              + "`");
    }
    return file;
  }

  private void save(Descriptor layer, InputStream in, Path file, ProgressListener progress)
      throws IOException {
    MessageDigest digest = Sha256.newDigest();
    byte[] chunk = new byte[CHUNK_BYTES];
    long bytes = 0;
    try (OutputStream out = Files.newOutputStream(file)) {
      for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
        bytes += read;
        if (bytes > layer.bytes()) {
          break;
        }
        digest.update(chunk, 0, read);
        out.write(chunk, 0, read);
        progress.advance(read);
      }
    }
    String found = Descriptor.digestOf(Sha256.hex(digest));
    if (bytes != layer.bytes() || !found.equals(layer.digest())) {
      throw new IOException(
          reference
              + ": "
              + layer.filePath().orElse("")
              + ": not what the manifest names: expected "
              + layer.bytes()
              + " bytes with "
              + layer.digest()
              + ", found "
              + bytes
              + " with "
              + found);
    }
  }
}
