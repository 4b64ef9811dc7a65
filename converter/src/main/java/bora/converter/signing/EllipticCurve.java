package bora.converter.signing;

import bora.formats.CorruptFileException;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Path;
import java.security.interfaces.ECKey;
import java.security.spec.ECFieldFp;
import java.util.Arrays;
import java.util.stream.Collectors;

/** The curves that the format allows, each with the hash that goes with it. */
enum EllipticCurve {
  P_256("P-256", 256, "SHA256"),
  P_384("P-384", 384, "SHA384"),
  P_521("P-521", 521, "SHA512");

  private final String title;
  private final int orderBits;
  private final String hash;

  EllipticCurve(String title, int orderBits, String hash) {
    this.title = title;
    this.orderBits = orderBits;
    this.hash = hash;
  }

  /** Sigstore's name for keys of the curve. */
  String keyDetails() {
    return "PKIX_ECDSA_" + title.replace("-", "") + "_SHA_" + hash.substring("SHA".length());
  }

  /** The name of the deterministic algorithm at Bouncy Castle. */
  String signingAlgorithm() {
    return hash + "withECDDSA";
  }

  /** The name of the algorithm that verifies what either kind of ECDSA signed. */
  String verifyingAlgorithm() {
    return hash + "withECDSA";
  }

  static EllipticCurve of(Path file, ECKey key) throws IOException {
    // The NIST curves of these sizes are the only ones whose order is that long and whose
    // coefficient a is -3.
    java.security.spec.EllipticCurve shape = key.getParams().getCurve();
    int bits = key.getParams().getOrder().bitLength();
    boolean nist =
        shape.getField() instanceof ECFieldFp field
            && shape.getA().add(BigInteger.valueOf(3)).equals(field.getP());
    return Arrays.stream(values())
        .filter(candidate -> nist && candidate.orderBits == bits)
        .findFirst()
        .orElseThrow(
            () ->
                new CorruptFileException(
                    file,
                    "expected a key of one of the curves "
                        + Arrays.stream(values())
                            .map(c -> c.title)
                            .collect(Collectors.joining(", "))
                        + ", found another curve of "
                        + bits
                        + " bits"));
  }
}
