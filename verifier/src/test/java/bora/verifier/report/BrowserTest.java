package bora.verifier.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.verifier.SampleReports;
import bora.verifier.SampleReports.Sample;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The page in a real browser. */
final class BrowserTest {
  private static final List<String> BROWSERS =
      List.of("chromium", "chromium-browser", "google-chrome");

  private static final int PATIENCE_SECONDS = 60;

  /** Tells what can only be seen from inside: what failed, what moved out of the page. */
  private static final String PROBE =
      """
      <script>
      const told = document.documentElement.dataset;
      told.canvases = document.querySelectorAll("canvas").length;
      told.blank = [...document.querySelectorAll("canvas")].filter((canvas) => {
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return !pixels.some((value) => value !== 0);
      }).length;
      told.overflow = document.documentElement.scrollWidth - innerWidth;
      told.ground = getComputedStyle(document.body).backgroundColor;
      </script>
      """;

  @TempDir private Path directory;

  @ParameterizedTest
  @CsvSource({
    "1200, 1, rgb(246, 247, 249)",
    "1200, 0, rgb(20, 23, 27)",
    "500, 1, rgb(246, 247, 249)",
  })
  void drawsEveryChartWithinThePage(int width, int scheme, String red, String green, String blue)
      throws IOException, InterruptedException {
    String browser = browser();
    Path page = directory.resolve("report.html");
    try (Sample sample = SampleReports.ofExchangedExperts(directory.resolve("model.bora"))) {
      String html =
          new String(
              ReportFormat.HTML.write(sample.report(), sample.pack()), StandardCharsets.UTF_8);
      Files.writeString(page, html.replace("</body>", PROBE + "</body>"));
    }
    String dom = dump(browser, page, width, scheme);
    assertEquals("6", told(dom, "canvases"));
    assertEquals("6", told(dom, "charts"));
    assertEquals("0", told(dom, "blank"));
    assertTrue(Integer.parseInt(told(dom, "overflow")) <= 0, told(dom, "overflow"));
    assertEquals(String.join(", ", red, green, blue), told(dom, "ground"));
  }

  private static String told(String dom, String name) {
    Matcher matcher = Pattern.compile("data-" + name + "=\"([^\"]*)\"").matcher(dom);
    assertTrue(matcher.find(), () -> "the page's script did not say " + name);
    return matcher.group(1);
  }

  private static String browser() {
    return Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
        .flatMap(folder -> BROWSERS.stream().map(name -> Path.of(folder, name)))
        .filter(Files::isExecutable)
        .findFirst()
        .map(Path::toString)
        .orElseGet(() -> Assumptions.abort("no browser: looked for " + BROWSERS + " on the path"));
  }

  private String dump(String browser, Path page, int width, int scheme)
      throws IOException, InterruptedException {
    Path dom = directory.resolve("dom.html");
    Process process =
        new ProcessBuilder(
                Stream.of(
                        browser,
                        "--headless=new",
                        "--no-sandbox",
                        "--disable-gpu",
                        "--user-data-dir=" + directory.resolve("profile"),
                        "--blink-settings=preferredColorScheme=" + scheme,
                        "--window-size=" + width + ",900",
                        "--virtual-time-budget=2000",
                        "--dump-dom",
                        page.toUri().toString())
                    .toList())
            .redirectOutput(dom.toFile())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    boolean ended = process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
    process.destroyForcibly().waitFor();
    assertTrue(ended, "the browser did not end");
    return Files.readString(dom);
  }
}
