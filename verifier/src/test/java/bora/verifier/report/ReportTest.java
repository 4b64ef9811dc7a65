package bora.verifier.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.verifier.Check;
import bora.verifier.SampleReports;
import bora.verifier.SampleReports.Sample;
import bora.verifier.Verdict;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** The written forms of a report that fails: two experts of the pack stand exchanged. */
final class ReportTest {
  @TempDir private static Path directory;

  private static Sample sample;

  @BeforeAll
  static void verify() throws Exception {
    sample = SampleReports.ofExchangedExperts(directory.resolve("a<b & c.bora"));
  }

  @AfterAll
  static void close() {
    sample.close();
  }

  @ParameterizedTest
  @EnumSource(ReportFormat.class)
  void writesEqualReportsAsEqualBytes(ReportFormat format) {
    assertArrayEquals(
        format.write(sample.report(), sample.pack()), format.write(sample.report(), sample.pack()));
  }

  @Test
  void tellsFormatsByTheFilesEnding() {
    assertEquals(Optional.of(ReportFormat.HTML), ReportFormat.ofFile(Path.of("x", "r.html")));
    assertEquals(Optional.of(ReportFormat.JUNIT_XML), ReportFormat.ofFile(Path.of("r.xml")));
    assertEquals(Optional.empty(), ReportFormat.ofFile(Path.of("r.pdf")));
  }

  @Test
  void writesEveryCheckAsAJUnitTestCase() throws Exception {
    byte[] xml = ReportFormat.JUNIT_XML.write(sample.report(), sample.pack());
    Document document =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new ByteArrayInputStream(xml));
    Element suite = (Element) document.getElementsByTagName("testsuite").item(0);
    List<Check> checks = sample.report().checks();
    long failed = checks.stream().filter(check -> check.verdict() == Verdict.FAIL).count();
    assertEquals("a<b & c.bora", suite.getAttribute("name"));
    assertEquals(String.valueOf(checks.size()), suite.getAttribute("tests"));
    assertEquals(String.valueOf(failed), suite.getAttribute("failures"));
    NodeList cases = document.getElementsByTagName("testcase");
    assertEquals(checks.size(), cases.getLength());
    assertEquals(failed, document.getElementsByTagName("failure").getLength());
    Element first = (Element) document.getElementsByTagName("failure").item(0);
    assertTrue(first.getAttribute("message").contains("layer 1 experts 0, 5"), first::toString);
  }

  @Test
  void writesAPageThatNeedsNothingElse() {
    String page = html();
    assertFalse(
        Pattern.compile("(src|href|@import|url\\()\\s*=?\\s*[\"']?(https?:)?//")
            .matcher(page)
            .find());
    assertTrue(page.contains("default-src 'none'"));
    assertTrue(page.contains("a&lt;b &amp; c.bora"));
    assertFalse(page.contains("a<b"));
  }

  @Test
  void saysTheVerdictFirstAndTheFault() {
    String page = html();
    String body = page.substring(page.indexOf("<body>"));
    assertTrue(body.indexOf("FAIL") < body.indexOf("<table"));
    assertTrue(body.contains("first fault: layer 1 experts 0, 5"));
    assertTrue(body.contains("What experts cost"));
  }

  @Test
  void givesTheNumbersOfEveryChartAsText() throws Exception {
    JsonNode charts = chartData(html()).path("charts");
    assertEquals(6, charts.size());
    for (JsonNode chart : charts) {
      assertTrue(html().contains("id=\"" + chart.path("id").textValue() + "\""));
      for (JsonNode series : chart.path("series")) {
        assertEquals(chart.path("labels").size(), series.path("values").size());
      }
    }
  }

  private static JsonNode chartData(String page) throws Exception {
    Matcher data =
        Pattern.compile(
                "<script type=\"application/json\" id=\"data\">(.*?)</script>", Pattern.DOTALL)
            .matcher(page);
    assertTrue(data.find());
    return new ObjectMapper().readTree(data.group(1));
  }

  private static String html() {
    return new String(
        ReportFormat.HTML.write(sample.report(), sample.pack()), StandardCharsets.UTF_8);
  }
}
