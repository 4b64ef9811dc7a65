"use strict";
// Draws the charts that the page's data describe, again whenever the reader's colour scheme changes.
(() => {
  const charts = JSON.parse(document.getElementById("data").textContent).charts;
  const drawn = [];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (value) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    return size >= 0.001 && size < 1e6 ? String(Number(value.toPrecision(4))) : value.toExponential(1);
  };

  // Decades alone, as long as there are two of them.
  const isDecade = (value) => Math.abs(Math.log10(value) % 1) < 1e-9;
  const logarithmicLabel = (value, index, ticks) =>
    isDecade(value) || ticks.filter((tick) => isDecade(tick.value)).length < 2
      ? Number(value.toPrecision(2)).toExponential()
      : null;

  // Lines across a stack, each with its name at the upper end.
  const marks = (lines) => ({
    id: "marks",
    afterDatasetsDraw(chart) {
      const { ctx, chartArea, scales } = chart;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = colour("--quiet");
      ctx.setLineDash([4, 3]);
      ctx.font = "11px system-ui, sans-serif";
      ctx.textAlign = "right";
      for (const line of lines) {
        const x = scales.x.getPixelForValue(line.value);
        if (x < chartArea.left || x > chartArea.right + 1) continue;
        ctx.beginPath();
        ctx.moveTo(x, chartArea.top);
        ctx.lineTo(x, chartArea.bottom);
        ctx.stroke();
        ctx.fillText(line.name, x - 3, chartArea.top + 9);
      }
      ctx.restore();
    },
  });

  const upperEnd = (chart) => {
    const totals = chart.labels.map((_, i) => chart.series.reduce((sum, one) => sum + (one.values[i] || 0), 0));
    const most = Math.max(...totals);
    const next = chart.marks.map((mark) => mark.value).find((value) => value >= most);
    return next === undefined ? undefined : next * 1.02;
  };

  const draw = (chart) => {
    const stack = chart.shape === "stack";
    const category = {
      title: { display: true, text: chart.categoryAxis },
      grid: { display: false },
      stacked: stack,
      ticks: { maxRotation: 45, autoSkipPadding: 8 },
    };
    const legend = { usePointStyle: true, pointStyle: chart.shape === "lines" ? "line" : "rect" };
    const value = {
      title: { display: true, text: chart.valueAxis },
      type: chart.logarithmic ? "logarithmic" : "linear",
      stacked: stack,
      beginAtZero: chart.shape !== "lines",
      max: stack ? upperEnd(chart) : undefined,
      grid: { color: colour("--line") },
      ticks: chart.logarithmic
        ? { maxTicksLimit: 7, callback: logarithmicLabel }
        : { maxTicksLimit: 6, includeBounds: !stack, callback: short },
    };
    return new Chart(document.getElementById(chart.id), {
      type: chart.shape === "lines" ? "line" : "bar",
      data: {
        labels: chart.labels,
        datasets: chart.series.map((one, i) => ({
          label: one.name,
          data: one.values,
          borderColor: colour(`--series-${i + 1}`),
          backgroundColor: colour(`--series-${i + 1}`),
          borderWidth: chart.shape === "lines" ? 2 : 0,
          borderDash: chart.shape === "lines" && i > 0 ? [6, 4] : [],
          pointRadius: chart.labels.length > 40 ? 0 : 2.5,
          categoryPercentage: stack ? 0.8 : 0.95,
          barPercentage: 0.95,
        })),
      },
      options: {
        indexAxis: stack ? "y" : "x",
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        interaction: { mode: "index", axis: stack ? "y" : "x", intersect: false },
        color: colour("--text"),
        plugins: {
          legend: { display: chart.series.length > 1, position: "bottom", labels: legend },
          tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${short(item.raw)}` } },
        },
        scales: stack ? { x: value, y: category } : { x: category, y: value },
      },
      plugins: stack ? [marks(chart.marks)] : [],
    });
  };

  const drawAll = () => {
    drawn.splice(0).forEach((chart) => chart.destroy());
    Chart.defaults.color = colour("--quiet");
    Chart.defaults.borderColor = colour("--line");
    Chart.defaults.font.family = "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif";
    charts.forEach((chart) => drawn.push(draw(chart)));
    document.documentElement.dataset.charts = String(drawn.length);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();
