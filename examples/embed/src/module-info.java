/** A program that uses bora as a library. */
module embed {
  requires bora.runtime;
  requires bora.verifier;

  exports embed;
}
