package bora.quantizer;

import bora.formats.encoding.Encoding;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Which encodings a budget may be spent on. */
public enum Profile {
  /**
   * Those that machine code decodes, with int8 activations, as fast as memory delivers, where that
   * is up to 9 GB/s a core: all but {@code t1}; {@code docs/performance.md} has the rates.
   */
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
        .filter(Encoding::isQuantized)
        .filter(encoding -> this == BEST || encoding != Encoding.T1)
        .toList();
  }
}
