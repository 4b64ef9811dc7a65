package bora.converter.oci;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What the config of an artifact says of the model.
 *
 * @param created absent where no time was stated
 * @param licence by SPDX
 * @param modified the time that the files get
 */
public record ModelDescriptor(
    String name,
    String family,
    Optional<Instant> created,
    Optional<String> licence,
    List<String> languages,
    long parameters,
    Instant modified) {}
