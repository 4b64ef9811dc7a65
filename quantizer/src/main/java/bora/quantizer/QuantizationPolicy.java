package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.json.StrictJson;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * What encoding each tensor should have: rules of which the first that matches wins, and an
 * encoding for the rest. Norms and routers are kept exactly whatever a policy says. {@code
 * docs/policies.md} describes the language.
 */
public final class QuantizationPolicy {
  private static final String BALANCED = "balanced";

  /** The names of the built-in policies. */
  public static final List<String> NAMES =
      Stream.concat(Arrays.stream(Encoding.values()).map(Encoding::jsonName), Stream.of(BALANCED))
          .toList();

  private final String name;
  private final Path origin;
  private final List<PolicyRule> rules;
  private final Encoding otherwise;

  QuantizationPolicy(String name, Path origin, List<PolicyRule> rules, Encoding otherwise) {
    this.name = name;
    this.origin = origin;
    this.rules = List.copyOf(rules);
    this.otherwise = otherwise;
  }

  /**
   * A built-in policy.
   *
   * @throws IllegalArgumentException listing the names when there is no such policy
   */
  public static QuantizationPolicy named(String name) {
    if (!NAMES.contains(name)) {
      throw new IllegalArgumentException(
          "unknown policy: expected one of " + NAMES + ", found " + name);
    }
    return Encoding.ofName(name)
        .map(encoding -> new QuantizationPolicy(name, Path.of(name), List.of(), encoding))
        .orElseGet(QuantizationPolicy::balanced);
  }

  /** The default. */
  public static QuantizationPolicy balanced() {
    String resource = BALANCED + ".json";
    try (InputStream json = QuantizationPolicy.class.getResourceAsStream(resource)) {
      return PolicyJson.parse(
          Path.of(resource), StrictJson.parseObject(Path.of(resource), json.readAllBytes()));
    } catch (IOException e) {
      throw new UncheckedIOException("the built-in policy is damaged", e);
    }
  }

  /**
   * Reads a policy file.
   *
   * @throws bora.formats.CorruptFileException naming the rule and what is wrong with it
   */
  public static QuantizationPolicy read(Path file) throws IOException {
    return PolicyJson.parse(file, StrictJson.readObject(file, PolicyJson.MAX_BYTES));
  }

  public String name() {
    return name;
  }

  /** The file it was read from, for messages. */
  Path origin() {
    return origin;
  }

  List<PolicyRule> rules() {
    return rules;
  }

  /** The encoding of what no rule matches. */
  Encoding otherwise() {
    return otherwise;
  }

  @Override
  public String toString() {
    return name;
  }
}
