package bora.converter.release;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;

/**
 * What a release consists of, for people and scripts.
 *
 * @param hashed whether the files' hashes are known
 * @param ociManifest digest of the OCI manifest
 */
public record ReleaseSummary(
    String name,
    List<Budget> budgets,
    List<ReleaseFile> files,
    boolean hashed,
    Optional<String> ociManifest) {
  /** One pack of the release. */
  public record Budget(String name, List<String> files, long bytes, double bitsPerWeight) {}

  static ReleaseSummary preview(String name, List<ReleasedPack> packs, List<ReleaseFile> files) {
    return new ReleaseSummary(name, budgets(packs), files, false, Optional.empty());
  }

  static ReleaseSummary published(
      String name, List<ReleasedPack> packs, List<ReleaseFile> files, Optional<String> manifest) {
    return new ReleaseSummary(name, budgets(packs), files, true, manifest);
  }

  private static List<Budget> budgets(List<ReleasedPack> packs) {
    return packs.stream()
        .map(pack -> new Budget(pack.stem(), pack.fileNames(), pack.bytes(), pack.bitsPerWeight()))
        .toList();
  }

  /** Bytes of all files; what the OCI layout shares with the others counts there too. */
  public long totalBytes() {
    return files.stream().mapToLong(ReleaseFile::bytes).sum();
  }

  /** Keys: {@code docs/release.md}. */
  public ObjectNode toJson() {
    ObjectNode root = StrictJson.newObject();
    root.put("name", name);
    root.put("published", hashed);
    ArrayNode packs = root.putArray("packs");
    for (Budget budget : budgets) {
      ObjectNode node = packs.addObject().put("name", budget.name());
      budget.files().forEach(node.putArray("files")::add);
      node.put("bytes", budget.bytes()).put("bitsPerWeight", budget.bitsPerWeight());
    }
    ArrayNode all = root.putArray("files");
    for (ReleaseFile file : files) {
      ObjectNode node = all.addObject().put("name", file.name()).put("bytes", file.bytes());
      if (hashed) {
        node.put("sha256", file.sha256());
      }
    }
    root.put("totalBytes", totalBytes());
    ociManifest.ifPresent(digest -> root.put("ociManifest", digest));
    return root;
  }
}
