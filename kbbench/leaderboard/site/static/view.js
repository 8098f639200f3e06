"use strict";
// What is looked at, and how it is written in the address: a link keeps the view.
(function () {
  const LENGTHS = [25, 50, 100];
  const FILTERS = ["task", "recipe", "link", "budget", "badge"];
  const MOST_CHOSEN = 50;

  function blank() {
    return {
      task: "", recipe: "", link: "", budget: "", badge: "", q: "",
      sort: null, page: 1, length: LENGTHS[0], chosen: new Set(), only: false, hidden: new Set(),
    };
  }

  // known: {filters: {name: values}, keys: columns that sort, pages: of submissions, groups: of columns}
  function parse(hash, known) {
    const given = new URLSearchParams(hash.replace(/^#/, ""));
    const view = blank();
    for (const name of FILTERS) {
      const value = given.get(name) || "";
      if (known.filters[name].includes(value)) view[name] = value;
    }
    view.q = (given.get("q") || "").slice(0, 100);
    const [, key, direction] = (given.get("sort") || "").match(/^(.+)-(asc|desc)$/) || [];
    if (known.keys.includes(key)) view.sort = { key, direction };
    const length = Number(given.get("length"));
    if (LENGTHS.includes(length)) view.length = length;
    const page = Number(given.get("page"));
    if (Number.isInteger(page) && page > 0) view.page = page;
    const chosen = (given.get("rows") || "").split(",").filter((name) => known.pages.has(name));
    view.chosen = new Set(chosen.slice(0, MOST_CHOSEN));
    view.only = given.get("only") === "1" && view.chosen.size > 0;
    view.hidden = new Set((given.get("hide") || "").split(",").filter((name) => known.groups.includes(name)));
    return view;
  }

  function write(view) {
    const said = new URLSearchParams();
    for (const name of [...FILTERS, "q"]) if (view[name]) said.set(name, view[name]);
    if (view.sort) said.set("sort", `${view.sort.key}-${view.sort.direction}`);
    if (view.length !== LENGTHS[0]) said.set("length", view.length);
    if (view.page > 1) said.set("page", view.page);
    if (view.hidden.size) said.set("hide", [...view.hidden].sort().join(","));
    if (view.chosen.size) said.set("rows", [...view.chosen].join(","));
    if (view.only) said.set("only", "1");
    return said.toString().replaceAll("%2C", ",");
  }

  // Every word of the search is in the row's name, in any order.
  function matches(view, row, track) {
    if (view.task && track.task !== view.task) return false;
    if (view.recipe && track.recipe !== view.recipe) return false;
    if (view.link && track.link !== view.link) return false;
    if (view.budget && track.budget !== view.budget) return false;
    if (view.badge && !row.badges.includes(view.badge)) return false;
    if (view.only && !view.chosen.has(row.page)) return false;
    const words = view.q.toLowerCase().split(/\s+/);
    return words.every((word) => row.search.includes(word));
  }

  Object.assign(window.kb, { view: { FILTERS, MOST_CHOSEN, blank, parse, write, matches } });
})();
