package bora.verifier.report;

import bora.verifier.Check;
import bora.verifier.Metric;
import bora.verifier.Verdict;
import bora.verifier.VerificationReport;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import javax.xml.stream.XMLOutputFactory;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamWriter;

/**
 * A report as JUnit's XML: a test suite for the pack, a test case for every check, a failure for
 * every limit that was not kept. The elements are those that build servers agree on
 * (github.com/testmoapp/junitxml). There are no times: equal reports are equal bytes.
 */
final class JUnitReport {
  private final VerificationReport report;
  private final XMLStreamWriter xml;

  private JUnitReport(VerificationReport report, XMLStreamWriter xml) {
    this.report = report;
    this.xml = xml;
  }

  static byte[] write(VerificationReport report) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      XMLStreamWriter xml =
          XMLOutputFactory.newFactory().createXMLStreamWriter(bytes, StandardCharsets.UTF_8.name());
      new JUnitReport(report, xml).write();
      xml.close();
    } catch (XMLStreamException e) {
      throw new IllegalStateException("XML can always be written to memory", e);
    }
    return bytes.toByteArray();
  }

  private void write() throws XMLStreamException {
    xml.writeStartDocument("UTF-8", "1.0");
    line(0);
    startSuite("testsuites", "bora verify");
    line(1);
    startSuite("testsuite", report.candidate().getOrDefault("file", "candidate"));
    xml.writeAttribute("skipped", "0");
    writeProperties();
    for (Check check : report.checks()) {
      writeCase(check);
    }
    line(1);
    xml.writeEndElement();
    line(0);
    xml.writeEndElement();
    line(0);
    xml.writeEndDocument();
  }

  private void startSuite(String element, String name) throws XMLStreamException {
    long failures = report.checks().stream().filter(c -> c.verdict() == Verdict.FAIL).count();
    xml.writeStartElement(element);
    xml.writeAttribute("name", name);
    xml.writeAttribute("tests", String.valueOf(report.checks().size()));
    xml.writeAttribute("failures", String.valueOf(failures));
    xml.writeAttribute("errors", "0");
  }

  private void writeProperties() throws XMLStreamException {
    line(2);
    xml.writeStartElement("properties");
    writeProperty("gate", report.gate());
    for (Map.Entry<String, String> entry : report.candidate().entrySet()) {
      writeProperty("candidate." + entry.getKey(), entry.getValue());
    }
    for (Map.Entry<String, String> entry : report.reference().entrySet()) {
      writeProperty("reference." + entry.getKey(), entry.getValue());
    }
    for (Map.Entry<Metric, Double> metric : report.metrics().entrySet()) {
      writeProperty("metric." + metric.getKey().id(), String.valueOf(metric.getValue()));
    }
    line(2);
    xml.writeEndElement();
  }

  private void writeProperty(String name, String value) throws XMLStreamException {
    line(3);
    xml.writeEmptyElement("property");
    xml.writeAttribute("name", name);
    xml.writeAttribute("value", value);
  }

  private void writeCase(Check check) throws XMLStreamException {
    String found = "measured " + Numbers.measured(check.measured()) + ", limit " + limit(check);
    line(2);
    xml.writeStartElement("testcase");
    xml.writeAttribute("classname", "bora.verify");
    xml.writeAttribute("name", check.name());
    if (check.verdict() == Verdict.FAIL) {
      String where = check.where().isEmpty() ? "" : "; " + check.where();
      line(3);
      xml.writeStartElement("failure");
      xml.writeAttribute("type", "limit");
      xml.writeAttribute("message", found + where);
      xml.writeCharacters(
          check.name() + ": " + check.metric().meaning() + "\n" + found + where + "\n");
      xml.writeEndElement();
    } else {
      line(3);
      xml.writeStartElement("system-out");
      xml.writeCharacters(found);
      xml.writeEndElement();
    }
    line(2);
    xml.writeEndElement();
  }

  private static String limit(Check check) {
    boolean atMost = check.metric().direction() == Metric.Direction.AT_MOST;
    return (atMost ? "at most " : "at least ") + Numbers.measured(check.limit());
  }

  private void line(int depth) throws XMLStreamException {
    xml.writeCharacters("\n" + "  ".repeat(depth));
  }
}
