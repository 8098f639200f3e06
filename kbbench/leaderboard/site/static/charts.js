"use strict";
// The plots of the first page, of the rows that the table shows: which they are, and over delay.
(function () {
  const kb = window.kb;
  const { data } = kb;
  const { chart, line } = kb.plots;
  const MOST_LINES = 8;
  const place = new Map(data.columns.map((column, number) => [column.key, number]));
  const delays = data.columns
    .map((column) => [column.key, Number((column.key.match(/^si_sdr_i_([0-9]+)_ms_db$/) || [])[1])])
    .filter(([, ms]) => Number.isFinite(ms));

  function figure(id) {
    const node = document.getElementById(id);
    return {
      chart: chart(node.querySelector("canvas")),
      say(text) { node.querySelector(".said").textContent = text; },
      list(head, rows) { node.querySelector("details div").replaceChildren(kb.table(head, rows)); },
    };
  }
  const figures = { delay: figure("delay"), macs: figure("macs"), hints: figure("hints") };

  function value(row, key) {
    return row.values[place.get(key)];
  }

  function dB(number) {
    return number === null ? kb.MISSING : number.toFixed(2);
  }

  function counted(number, what) {
    return `${number} ${what}${number === 1 ? "" : "s"}`;
  }

  // A name; with its task where another of these rows has the same one.
  function told(row, among) {
    const alone = among.filter((other) => other.name === row.name).length === 1;
    return alone ? row.name : `${row.name} (${data.tracks[row.track].task})`;
  }

  function drawDelay(rows, view) {
    const chosen = rows.filter((row) => row.chosen);
    const drawn = (chosen.length ? chosen : rows).slice(0, MOST_LINES);
    figures.delay.chart.draw({
      x: "delay of hints in ms",
      y: "SI-SDR improvement in dB",
      legend: true,
      ticks: { stepSize: 8 },
      series: () => drawn.map((row, number) => line(number, told(row, drawn), delays
        .filter(([key]) => value(row, key) !== null)
        .map(([key, ms]) => ({ x: ms, y: value(row, key), page: row.page, said: `${row.name}: ${dB(value(row, key))} dB` })))),
    });
    figures.delay.say(chosen.length
      ? `Drawn: ${drawn.length} of ${counted(view.chosen.size, "chosen row")}.`
      : `Drawn: the first ${counted(drawn.length, "row")}; choose others in the table.`);
    figures.delay.list(
      ["name", "track", ...delays.map(([, ms]) => `${ms} ms`)],
      drawn.map((row) => [row.name, data.tracks[row.track].title, ...delays.map(([key]) => dB(value(row, key)))]),
    );
  }

  kb.charts = { value, dB, counted };
  kb.drawPlots = function drawPlots(rows, view, choose) {
    drawDelay(rows, view);
    kb.drawCost(figures.macs, rows, { key: "device_macs_per_chunk", title: "MACs a chunk on the device", unit: "MACs", choose });
    kb.drawCost(figures.hints, rows, { key: "hint_kbit_per_s", title: "hints in kbit/s", unit: "kbit/s", choose });
  };
})();
