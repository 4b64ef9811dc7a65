package bora.verifier;

/** How a check, and a whole verification, ended. */
public enum Verdict {
  PASS("pass"),
  FAIL("fail");

  private final String jsonName;

  Verdict(String jsonName) {
    this.jsonName = jsonName;
  }

  static Verdict of(boolean passed) {
    return passed ? PASS : FAIL;
  }

  /** The name in reports. */
  public String jsonName() {
    return jsonName;
  }
}
