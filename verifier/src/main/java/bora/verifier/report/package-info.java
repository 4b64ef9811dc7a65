/**
 * A verification's report in the forms that others read: JSON for scripts, JUnit XML for build
 * servers, one self-contained HTML page for people.
 *
 * <p>Everything shown is in the {@link bora.verifier.VerificationReport} and the pack's manifest;
 * nothing is measured or judged here. Start with {@link bora.verifier.report.ReportFormat}.
 */
package bora.verifier.report;
