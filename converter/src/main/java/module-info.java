/** Runs the stages in their order, from checkpoint to released pack, and holds the command line. */
module bora.converter {
  requires bora.formats;
  requires bora.quantizer;
  requires bora.runtime;
  requires bora.verifier;
  requires info.picocli;
  requires me.tongfei.progressbar;

  opens bora.converter.cli to
      info.picocli;
}
