package bora.verifier.report;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.function.DoubleFunction;

/**
 * A chart with a title, a sentence that says how to read it, and its numbers as a table for whoever
 * cannot see it or wants them.
 *
 * @param id of the element, unique on the page
 * @param labels of the places along the category axis
 * @param unit how a value is shown in the table
 */
record ChartFigure(
    String id,
    String title,
    String sentence,
    Shape shape,
    Scale scale,
    String categoryAxis,
    String valueAxis,
    List<String> labels,
    List<Series> series,
    List<Mark> marks,
    DoubleFunction<String> unit) {
  enum Shape {
    BARS("bars"),
    LINES("lines"),
    /** Horizontal bars whose series add up. */
    STACK("stack");

    private final String jsonName;

    Shape(String jsonName) {
      this.jsonName = jsonName;
    }
  }

  enum Scale {
    LINEAR,
    LOGARITHMIC
  }

  /** Values at every label; NaN where there is none. */
  record Series(String name, double[] values) {}

  /** A line across the chart at a value. */
  record Mark(String name, double value) {}

  void write(Markup page) {
    page.start("figure", "class", "card");
    page.element("figcaption", title);
    page.element("p", sentence, "class", "note");
    page.start("div", "class", shape == Shape.STACK ? "plot low" : "plot");
    page.start("canvas", "id", id, "role", "img", "aria-label", title + ". " + sentence).end();
    page.end();
    page.start("details").element("summary", "Numbers");
    writeTable(page);
    page.end().end();
  }

  private void writeTable(Markup page) {
    page.start("div", "class", "wide").start("table", "class", "numbers");
    page.start("tr").element("th", categoryAxis);
    series.forEach(one -> page.element("th", one.name, "class", "number"));
    page.end();
    for (int i = 0; i < labels.size(); i++) {
      page.start("tr").element("th", labels.get(i), "scope", "row");
      for (Series one : series) {
        double value = one.values[i];
        page.element("td", Double.isNaN(value) ? "–" : unit.apply(value), "class", "number");
      }
      page.end();
    }
    page.end().end();
  }

  /** What the page's script draws. */
  ObjectNode data() {
    ObjectNode node = StrictJson.newObject();
    node.put("id", id).put("shape", shape.jsonName);
    node.put("logarithmic", scale == Scale.LOGARITHMIC);
    node.put("categoryAxis", categoryAxis).put("valueAxis", valueAxis);
    labels.forEach(node.putArray("labels")::add);
    ArrayNode all = node.putArray("series");
    for (Series one : series) {
      ArrayNode values = all.addObject().put("name", one.name).putArray("values");
      for (double value : one.values) {
        if (Double.isFinite(value) && !(scale == Scale.LOGARITHMIC && value <= 0)) {
          values.add(value);
        } else {
          values.addNull();
        }
      }
    }
    ArrayNode lines = node.putArray("marks");
    marks.forEach(mark -> lines.addObject().put("name", mark.name).put("value", mark.value));
    return node;
  }
}
