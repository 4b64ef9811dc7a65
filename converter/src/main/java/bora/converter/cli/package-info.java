/**
 * The command line: one class a command, each turning options into a call and a result into text.
 *
 * <p>The only package that prints, and the only one that knows picocli. Start with {@code Main}.
 */
package bora.converter.cli;
