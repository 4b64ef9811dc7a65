/**
 * Fuzz targets: every kind of file that bora reads, with bytes that nobody meant. In a test run
 * each target replays the inputs under {@code src/test/resources}; with {@code JAZZER_FUZZ=1} it
 * looks for new ones. {@code docs/robustness.md} tells what came of it.
 */
package bora.fuzz;
