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

  /**
   * @throws IllegalArgumentException naming the ids when there is no such profile
   */
  public static Profile ofId(String id) {
    return Arrays.stream(values())
        .filter(profile -> profile.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "profile: expected one of "
                        + Arrays.stream(values()).map(Profile::id).toList()
                        + ", found "
                        + id));
  }

  /** The encodings of matrices, exact ones left out. */
  public List<Encoding> encodings() {
    return Arrays.stream(Encoding.values())
        .filter(Encoding::isQuantized)
        .filter(encoding -> this == BEST || encoding != Encoding.T1)
        .toList();
  }
}
