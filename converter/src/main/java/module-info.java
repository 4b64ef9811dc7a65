/** Runs the stages in their order, from checkpoint to released pack, and holds the command line. */
module bora.converter {
  requires bora.formats;
  requires bora.quantizer;
  requires bora.runtime;
  requires bora.verifier;
  requires info.picocli;
  requires me.tongfei.progressbar;
  requires org.jline.reader;
  requires org.jline.terminal;

  // JLine looks up sun.misc.Signal by name: without it Ctrl-C would end chat instead of an answer.
  requires jdk.unsupported;

  // jinjava's jar has no descriptor that could name what it needs.
  requires jinjava;
  requires com.fasterxml.jackson.dataformat.yaml;
  requires com.fasterxml.jackson.datatype.jdk8;
  requires com.google.common;
  requires org.apache.commons.lang3;
  requires org.slf4j;

  // Releases.
  requires org.apache.commons.compress;
  requires com.github.luben.zstd_jni;
  requires org.bouncycastle.pkix;
  requires org.bouncycastle.provider;
  requires java.net.http;

  // CycloneDX's jar has no descriptor either.
  requires cyclonedx.core.java;
  requires com.fasterxml.jackson.dataformat.xml;
  requires com.networknt.schema;
  requires org.apache.commons.codec;
  requires org.apache.commons.collections4;
  requires org.apache.commons.io;

  // Templates call a function of ours by reflection.
  exports bora.converter.chat to
      jinjava;

  opens bora.converter.cli to
      info.picocli;
}
