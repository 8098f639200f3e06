"use strict";
// Scores against what they cost, with the Pareto front of each data set.
(function () {
  const kb = window.kb;
  const { data } = kb;
  const { colour, mark, line, variable } = kb.plots;
  const { value, dB, counted } = kb.charts;
  const ENOUGH_ENTRIES = 3;
  const FREE_SHARE = 0.4;
  const colours = [...new Set(data.rows.map(comparable))];

  // Rows on one data set over one kind of link: what may be compared.
  function comparable(row) {
    const track = data.tracks[row.track];
    return `${data.datasets[track.dataset]}${track.link === "opaque" ? ", opaque link" : ""}`;
  }

  function group(rows) {
    const found = new Map(colours.map((name) => [name, []]));
    for (const row of rows) found.get(comparable(row)).push(row);
    return new Map([...found].filter(([, members]) => members.length));
  }

  // Entries that score higher than all that cost as little or less.
  function front(rows, key) {
    const entries = rows.filter((row) => !row.bound);
    entries.sort((a, b) => value(a, key) - value(b, key) || b.score[0] - a.score[0]);
    const found = [];
    for (const row of entries) {
      if (!found.length || row.score[0] > found.at(-1).score[0]) found.push(row);
    }
    return found;
  }

  // Bounds that are so far from the entries that these would be a line.
  function beyond(rows) {
    const scores = rows.filter((row) => !row.bound).map((row) => row.score[0]);
    if (scores.length < ENOUGH_ENTRIES) return [];
    const [low, high] = [Math.min(...scores), Math.max(...scores)];
    return rows.filter((row) => row.bound && Math.max(low - row.score[0], row.score[0] - high) > high - low);
  }

  // Where on the axis a cost is: nothing has no logarithm, and stands left of the least.
  function scale(rows, key) {
    const least = Math.min(...rows.map((row) => value(row, key)).filter((cost) => cost > 0));
    const log = Number.isFinite(least);
    return { log, at: (row) => (log && value(row, key) === 0 ? FREE_SHARE * least : value(row, key)) };
  }

  // Entries, and bounds as hollow marks, which the legend names where there is nothing else.
  function points(name, members, at, { key, unit }) {
    const number = colours.indexOf(name);
    const [entries, bounds] = [members.filter((row) => !row.bound), members.filter((row) => row.bound)];
    const shared = { pointStyle: mark(number), pointRadius: 4.5, pointHoverRadius: 7, borderColor: colour(number) };
    const said = (row) => `${row.name}${row.bound ? " (bound)" : ""}: ${dB(row.score[0])} dB, ${kb.quantity(value(row, key))} ${unit}`;
    const point = (row) => ({ x: at(row), y: row.score[0], page: row.page, said: said(row) });
    return [
      { ...shared, label: entries.length ? name : "", data: entries.map(point), backgroundColor: colour(number) },
      { ...shared, label: entries.length ? "" : name, data: bounds.map(point), backgroundColor: "transparent", borderWidth: 1.5 },
    ];
  }

  // Around rows that are chosen.
  function ring(members, at) {
    return {
      label: "",
      data: members.map((row) => ({ x: at(row), y: row.score[0] })),
      pointRadius: 9,
      pointHitRadius: 0,
      borderColor: variable("--ink"),
      backgroundColor: "transparent",
      borderWidth: 2,
    };
  }

  function step(name, members, at) {
    return line(colours.indexOf(name), "", members.map((row) => ({ x: at(row), y: row.score[0] })),
      { pointRadius: 0, pointHitRadius: 0, borderWidth: 1.5, stepped: "before" });
  }

  // what: {key, title, unit, choose}
  kb.drawCost = function drawCost(shown, rows, what) {
    const known = rows.filter((row) => value(row, what.key) !== null);
    const outside = new Set(beyond(known));
    const drawn = known.filter((row) => !outside.has(row));
    const { log, at } = scale(drawn, what.key);
    const groups = group(drawn);
    const fronts = new Map([...groups].map(([name, members]) => [name, front(members, what.key)]));
    shown.chart.draw({
      x: what.title,
      y: "score in dB",
      log,
      legend: true,
      choose: what.choose,
      series: () => [...groups].flatMap(([name, members]) => [
        ...points(name, members, at, what),
        ring(members.filter((row) => row.chosen), at),
        step(name, fronts.get(name), at),
      ]),
    });
    const free = drawn.filter((row) => value(row, what.key) === 0).length;
    const parts = [
      `${counted(drawn.length, "row")}.`,
      rows.length > known.length ? `${rows.length - known.length} without such a figure are not drawn.` : "",
      log && free ? "What costs nothing stands at the left edge." : "",
      outside.size ? `Far off, and not drawn: ${[...outside].map((row) => `${row.name}, ${dB(row.score[0])} dB`).join("; ")}.` : "",
    ];
    shown.say(parts.filter(Boolean).join(" "));
    shown.list(
      ["Pareto front", "of", what.title, "score, dB"],
      [...fronts].flatMap(([name, members]) =>
        members.map((row) => [row.name, name, kb.quantity(value(row, what.key)), dB(row.score[0])])),
    );
  };
})();
