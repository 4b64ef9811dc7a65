/**
 * What every part of bora shares about files: the exceptions that tell a corrupt file from an old
 * one and from one that belongs elsewhere, and progress.
 *
 * <p>Start with {@link bora.formats.checkpoint} for what comes in and {@link bora.formats.pack} for
 * what goes out.
 */
package bora.formats;
