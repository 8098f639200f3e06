"use strict";
// Improvement over delay of one submission, with confidence bands.
(function () {
  const { data, plots } = window.kb;
  const MS_A_CHUNK = 8;
  const ms = data.delays.map((delay) => delay * MS_A_CHUNK);
  const ends = [Math.min(...ms, 0), Math.max(...ms, 48)];

  function said(name, [value, low, high]) {
    const band = low === null || high === null ? "" : ` [${low.toFixed(2)}, ${high.toFixed(2)}]`;
    return `${name}: ${value.toFixed(2)} dB${band}`;
  }

  // The line, and its band as two lines without points of which the second fills to the first.
  function curve(number, name, xs, intervals, more) {
    const there = intervals.map((interval, place) => [xs[place], interval]).filter(([, interval]) => interval[0] !== null);
    const edge = (end, fill) => plots.line(number, "", there.map(([x, interval]) => ({ x, y: interval[end] ?? interval[0] })),
      { pointRadius: 0, pointHitRadius: 0, borderWidth: 0, fill, backgroundColor: `${plots.colour(number)}22` });
    const points = there.map(([x, interval]) => ({ x, y: interval[0], said: said(name, interval) }));
    return [edge(1, false), edge(2, "-1"), plots.line(number, name, points, more)];
  }

  plots.chart(document.getElementById("plot")).draw({
    x: "delay of hints in ms",
    y: "SI-SDR improvement in dB",
    legend: true,
    ticks: { stepSize: 8 },
    series: () => [
      ...curve(2, "large", ends, [data.large, data.large], { borderDash: [6, 4], pointRadius: 0 }),
      ...curve(0, "boosted", ms, data.boosted),
      ...curve(1, "small", ends, [data.small, data.small], { borderDash: [6, 4], pointRadius: 0 }),
    ],
  });
})();
