package bora.quantizer;

import bora.formats.encoding.Encoding;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Which encodings a budget may be spent on. */
public enum Profile {
  /** Those that decode as fast as memory delivers. */
  FAST,
  /** All of them. */
  BEST;

  /** As users write it. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The encodings of matrices, exact ones left out. */
  public List<Encoding> encodings() {
    return Arrays.stream(Encoding.values())
        .filter(encoding -> this == BEST ? encoding.isQuantized() : encoding.isScalar())
        .toList();
  }
}
