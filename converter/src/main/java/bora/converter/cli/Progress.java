package bora.converter.cli;

import bora.formats.ProgressListener;
import java.io.PrintWriter;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Shows how far long work has come: a bar on a terminal, one line elsewhere. */
final class Progress implements ProgressListener, AutoCloseable {
  /** Set by the launcher, which alone can tell whether standard error is a terminal. */
  private static final boolean TERMINAL = Boolean.getBoolean("bora.terminal");

  private static final int UPDATE_MILLIS = 200;

  private final Optional<ProgressBar> bar;

  private Progress(Optional<ProgressBar> bar) {
    this.bar = bar;
  }

  /** Begins work whose size is counted in bytes. */
  static Progress ofBytes(PrintWriter err, String task, long bytes) {
    return start(err, task, bytes, " MB", 1_000_000);
  }

  /** Begins work counted in so many pieces that millions are shown. */
  static Progress ofMillions(PrintWriter err, String task, long pieces, String unit) {
    return start(err, task, pieces, unit, 1_000_000);
  }

  /** Begins work counted in pieces of some kind. */
  static Progress of(PrintWriter err, String task, long pieces, String unit) {
    return start(err, task, pieces, " " + unit, 1);
  }

  private static Progress start(
      PrintWriter err, String task, long size, String unit, long unitSize) {
    if (!TERMINAL) {
      err.println(task + " ...");
      return new Progress(Optional.empty());
    }
    ProgressBar bar =
        new ProgressBarBuilder()
            .setTaskName(task)
            .setInitialMax(size)
            .setUnit(unit, unitSize)
            .setUpdateIntervalMillis(UPDATE_MILLIS)
            .setStyle(ProgressBarStyle.COLORFUL_UNICODE_BLOCK)
            .build();
    return new Progress(Optional.of(bar));
  }

  @Override
  public void advance(long units) {
    bar.ifPresent(shown -> shown.stepBy(units));
  }

  @Override
  public void close() {
    bar.ifPresent(ProgressBar::close);
  }
}
