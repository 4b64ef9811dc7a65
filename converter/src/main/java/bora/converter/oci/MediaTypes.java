package bora.converter.oci;

/** Names that the OCI and ModelPack specifications give. */
final class MediaTypes {
  static final String INDEX = "application/vnd.oci.image.index.v1+json";
  static final String MANIFEST = "application/vnd.oci.image.manifest.v1+json";
  static final String MODEL = "application/vnd.cncf.model.manifest.v1+json";
  static final String CONFIG = "application/vnd.cncf.model.config.v1+json";
  static final String WEIGHTS = "application/vnd.cncf.model.weight.v1.raw";
  static final String DOCUMENT = "application/vnd.cncf.model.doc.v1.raw";

  static final String FILE_PATH = "org.cncf.model.filepath";
  static final String FILE_METADATA = "org.cncf.model.file.metadata+json";
  static final String TITLE = "org.opencontainers.image.title";
  static final String REFERENCE_NAME = "org.opencontainers.image.ref.name";

  private MediaTypes() {}
}
