package bora.converter.cli;

/** The exit codes that scripts rely on. */
final class ExitCode {
  static final int DONE = 0;
  static final int FAILED_VERIFICATION = 1;
  static final int BAD_INPUT = 3;
  static final int DEFECT = 70;

  private ExitCode() {}
}
