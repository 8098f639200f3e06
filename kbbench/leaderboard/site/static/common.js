"use strict";
// Helpers of all pages. Texts go into the page as text nodes, never as markup.
(function () {
  const MISSING = "–";
  const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  // Four digits and a prefix, as kbbench.report.quantity writes them.
  function quantity(value) {
    for (const [size, prefix] of PREFIXES) {
      if (value >= size) return `${Number((value / size).toPrecision(4))} ${prefix}`;
    }
    return String(Number(value.toPrecision(4)));
  }

  // A figure of a row, as kbbench.leaderboard.columns writes it.
  function text(column, value) {
    if (value === null) return MISSING;
    if (column.kind === "quantity") return quantity(value);
    const share = column.kind === "share";
    const fixed = ((share ? 100 : 1) * value).toFixed(column.digits);
    const plain = Number(fixed) === 0 ? fixed.replace("-", "") : fixed;
    return share ? `${plain} %` : plain;
  }

  function table(head, rows) {
    return element(
      "table", {},
      element("thead", {}, element("tr", {}, ...head.map((cell) => element("th", { scope: "col" }, cell)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell, place) =>
        place ? element("td", {}, cell) : element("th", { scope: "row" }, cell))))),
    );
  }

  const data = JSON.parse(document.getElementById("data").textContent);
  window.kb = { MISSING, element, quantity, text, table, data };
})();
