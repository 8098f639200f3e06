"use strict";
// Plots on canvas by Chart.js; what they show is said in tables beside them.
(function () {
  const LIGHT = ["#c2410c", "#1d4ed8", "#0f766e", "#7e22ce", "#a16207", "#be123c", "#0369a1", "#4d7c0f"];
  const DARK = ["#fb923c", "#93c5fd", "#5eead4", "#d8b4fe", "#fde047", "#fda4af", "#7dd3fc", "#bef264"];
  const MARKS = ["circle", "rect", "triangle", "rectRot", "rectRounded", "star", "cross", "crossRot"];
  const LONGEST_LABEL = 28;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const made = [];

  Chart.defaults.font.family = "system-ui, sans-serif";
  Chart.defaults.animation = false;

  function colour(number) {
    const palette = dark.matches ? DARK : LIGHT;
    return palette[number % palette.length];
  }

  function mark(number) {
    return MARKS[number % MARKS.length];
  }

  function variable(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function short(label) {
    const letters = [...label];
    return letters.length > LONGEST_LABEL ? `${letters.slice(0, LONGEST_LABEL - 1).join("")}…` : label;
  }

  function axis(title, kind, ticks) {
    const [ink, line] = [variable("--ink"), variable("--line")];
    return {
      type: kind,
      title: { display: true, text: title, color: ink },
      ticks: { color: ink, maxRotation: 0, ...ticks },
      grid: { color: line },
      border: { color: line },
    };
  }

  // 1, 2 and 5 times powers of ten.
  const logarithmic = {
    callback: (value) => ([1, 2, 5].includes(Number(String(value / 10 ** Math.floor(Math.log10(value) + 1e-9)).slice(0, 4)))
      ? window.kb.quantity(value) : ""),
  };

  function options(spec) {
    const ink = variable("--ink");
    return {
      responsive: true,
      maintainAspectRatio: false,
      scales: {
        x: spec.log ? axis(spec.x, "logarithmic", logarithmic) : { ...axis(spec.x, "linear", spec.ticks), min: 0 },
        y: axis(spec.y, "linear"),
      },
      plugins: {
        legend: {
          display: spec.legend,
          position: "bottom",
          labels: { color: ink, usePointStyle: true, boxHeight: 7, filter: (item) => item.text !== "" },
        },
        tooltip: { filter: (item) => Boolean(item.raw.said), callbacks: { label: (item) => item.raw.said } },
      },
      onClick: (event, items) => {
        const hit = items.map((item) => item.element.$context.raw).find((raw) => raw.page);
        if (hit && spec.choose) spec.choose(hit.page);
      },
    };
  }

  // A chart on a canvas; draw(spec) shows spec: {x, y, log, ticks, legend, choose, series()}.
  function chart(canvas) {
    let shown = null;
    let drawn = null;
    function render() {
      if (drawn) drawn.destroy();
      drawn = new Chart(canvas, { type: "scatter", data: { datasets: shown.series() }, options: options(shown) });
    }
    made.push(() => shown && render());
    return { draw(spec) { shown = spec; render(); } };
  }

  dark.addEventListener("change", () => made.forEach((again) => again()));

  function line(number, label, points, more) {
    return {
      label: short(label),
      data: points,
      showLine: true,
      borderColor: colour(number),
      backgroundColor: colour(number),
      pointStyle: mark(number),
      pointRadius: 4,
      borderWidth: 2,
      ...more,
    };
  }

  Object.assign(window.kb, { plots: { chart, colour, mark, line, short, variable } });
})();
