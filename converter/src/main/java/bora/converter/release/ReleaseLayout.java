package bora.converter.release;

import bora.converter.oci.ModelDescriptor;
import bora.converter.oci.ModelPackLayout;
import bora.formats.model.ModelConfig;
import java.util.List;

/** What the OCI artifact says of a release. */
final class ReleaseLayout {
  private ReleaseLayout() {}

  static ModelPackLayout of(
      String name,
      List<ReleasedPack> packs,
      Licence licence,
      ReleaseRequest.Origin origin,
      SourceDate date) {
    ModelConfig config = packs.getFirst().pack().config();
    return new ModelPackLayout(
        new ModelDescriptor(
            name,
            config.architecture().id(),
            date.stated(),
            licence.spdxId(),
            origin.languages(),
            config.parameterCount(),
            date.orFirst()));
  }
}
