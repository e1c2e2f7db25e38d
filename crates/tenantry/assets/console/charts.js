// Draws what a page says in `data-chart`: lines over time, or bars over names. The page's table has the same numbers.
"use strict";
(() => {
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const series = (at) => color(`--s${(at % 8) + 1}`);
  const number = (value) => (value === null || value === undefined ? null : Number(value));
  const shown = (value) => (value === null || value === undefined ? "–" : Number(value).toLocaleString("en", { maximumFractionDigits: 2 }));

  const axis = (more) => ({
    stroke: color("--muted"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { stroke: color("--line"), width: 1 },
    font: "12px system-ui, sans-serif",
    ...more,
  });

  // One column for times or names, then one for each series.
  const draw = (figure) => {
    const chart = JSON.parse(figure.dataset.chart);
    const isTime = chart.kind === "line";
    const names = isTime ? null : chart.points[0].map((name) => (name === null ? "–" : String(name)));
    const x = isTime
      ? chart.points[0].map((at) => (at === null ? null : Date.parse(/Z$|[+-]\d\d:\d\d$/.test(at) ? at : `${at}Z`) / 1000))
      : names.map((_, at) => at);
    const order = isTime ? [...x.keys()].filter((at) => Number.isFinite(x[at])).sort((a, b) => x[a] - x[b]) : [...x.keys()];
    const columns = [order.map((at) => x[at]), ...chart.points.slice(1).map((column) => order.map((at) => number(column[at])))];
    const bars = !isTime || chart.bars;
    const width = Math.max(200, figure.clientWidth - parseFloat(getComputedStyle(figure).paddingLeft) * 2);
    const small = figure.dataset.small !== undefined;
    const lines = chart.names.map((name, at) => {
      const stroke = series(at);
      const paths = bars ? uPlot.paths.bars({ size: [0.7 / chart.names.length, 64], align: chart.names.length > 1 ? (at === 0 ? -1 : 1) : 0 }) : undefined;
      return { label: name, stroke, width: bars ? 0 : 2, fill: bars ? stroke : chart.names.length === 1 ? `${stroke}22` : undefined, paths, points: { show: !bars && order.length < 40, size: 5 }, value: (_, value) => shown(value) };
    });
    const label = (at) => (names[at] === undefined ? "" : names[at].length > 14 ? `${names[at].slice(0, 13)}…` : names[at]);
    const plot = new uPlot(
      {
        width,
        height: small ? 140 : 240,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC"),
        legend: { show: !small, live: true },
        cursor: { y: false },
        scales: { x: { time: isTime, range: isTime ? undefined : (_, min, max) => [min - 0.6, max + 0.6] }, y: { range: (_, min, max) => [Math.min(0, min ?? 0), (max ?? 1) === 0 ? 1 : (max ?? 1) * 1.08] } },
        axes: [
          isTime ? axis({}) : axis({ splits: () => columns[0].filter((_, at) => at % Math.ceil(columns[0].length / Math.max(1, Math.floor(width / 90))) === 0), values: (_, splits) => splits.map(label), grid: { show: false } }),
          axis({ size: 58, values: (_, values) => values.map((value) => Number(value).toLocaleString("en", { notation: "compact" })) }),
        ],
        series: [{ label: isTime ? "UTC" : " ", value: (_, at) => (at === null ? "–" : isTime ? new Date(at * 1e3).toISOString().slice(0, 16).replace("T", " ") : names[at] ?? "–") }, ...lines],
      },
      columns,
      figure,
    );
    return plot;
  };

  let plots = [];
  const drawAll = () => {
    plots.forEach((plot) => plot.destroy());
    plots = [...document.querySelectorAll("[data-chart]")].map((figure) => { figure.replaceChildren(); return draw(figure); });
  };
  drawAll();
  addEventListener("replaced", drawAll);
  let later = 0;
  addEventListener("resize", () => { clearTimeout(later); later = setTimeout(drawAll, 150); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
