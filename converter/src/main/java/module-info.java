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
  requires org.apache.commons.compress;

  // For releases alone: the launcher adds these modules for the commands that need them, so that
  // the others start without. CycloneDX's jar has no descriptor that could name what it needs.
  requires static com.fasterxml.jackson.dataformat.xml;
  requires static com.github.luben.zstd_jni;
  requires static com.networknt.schema;
  requires static cyclonedx.core.java;
  requires static java.net.http;
  requires static org.apache.commons.codec;
  requires static org.apache.commons.collections4;
  requires static org.apache.commons.io;
  requires static org.bouncycastle.pkix;
  requires static org.bouncycastle.provider;

  // Templates call a function of ours by reflection.
  exports bora.converter.chat to
      jinjava;

  opens bora.converter.cli to
      info.picocli;
}
