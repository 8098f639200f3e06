"use strict";
// The first page: controls, table and plots show one view, which the address keeps.
(function () {
  const kb = window.kb;
  const { data, view: views } = kb;
  const PLOTS_AFTER_MS = 50;
  const form = document.getElementById("filters");
  const byPage = new Map(data.rows.map((row) => [row.page, row]));
  for (const row of data.rows) Object.assign(row, { chosen: false, search: row.name.toLowerCase() });

  const filters = {
    task: [...new Set(data.tracks.map((track) => track.task))],
    recipe: data.datasets,
    link: [...new Set(data.tracks.map((track) => track.link))],
    budget: [...new Set(data.tracks.map((track) => track.budget))],
    badge: Object.keys(data.badges).filter((key) => data.rows.some((row) => row.badges.includes(key))),
  };
  for (const track of data.tracks) track.recipe = data.datasets[track.dataset];
  for (const name of views.FILTERS) {
    for (const value of filters[name]) {
      form.elements[name].append(kb.element("option", { value }, name === "badge" ? data.badges[value] : value));
    }
  }

  let view = views.blank();
  let applying = false;
  const table = kb.makeTable(data, {
    filter: (row) => views.matches(view, row, data.tracks[row.track]),
    changed() {
      const [sort, page] = [table.sorted(), table.api.page() + 1];
      if (applying || (page === view.page && JSON.stringify(sort) === JSON.stringify(view.sort))) return;
      Object.assign(view, { sort, page });
      remember();
    },
    choose(page, chosen) {
      choose(page, chosen);
      if (view.only) apply();
      else remember();
    },
  });
  const known = {
    filters,
    keys: table.columns.filter((column) => column.sort).map((column) => column.key),
    pages: byPage,
    groups: [...form.elements.show].map((box) => box.value),
  };

  function choose(page, chosen) {
    if (chosen && view.chosen.size >= views.MOST_CHOSEN) chosen = false;
    const row = byPage.get(page);
    row.chosen = chosen;
    if (chosen) view.chosen.add(page);
    else view.chosen.delete(page);
    if (!view.chosen.size) view.only = false;
    const node = table.api.row((place, given) => given === row).node();
    if (node) {
      node.classList.toggle("chosen", chosen);
      node.querySelector("input").checked = chosen;
    }
  }

  // Shows the view everywhere: controls, table, then address and plots.
  function apply() {
    for (const name of [...views.FILTERS, "q"]) form.elements[name].value = view[name];
    form.elements.length_.value = view.length;
    form.elements.only.checked = view.only;
    for (const box of form.elements.show) box.checked = !view.hidden.has(box.value);
    applying = true;
    table.hide(view.hidden);
    table.sortBy(view.sort);
    table.api.page.len(view.length).draw();
    const last = table.api.page.info().pages || 1;
    view.page = Math.min(view.page, last);
    if (view.page > 1) table.api.page(view.page - 1).draw("page");
    applying = false;
    remember();
  }

  function remember() {
    form.elements.only.disabled = document.getElementById("clear").disabled = !view.chosen.size;
    form.elements.only.checked = view.only;
    const said = views.write(view);
    if (said !== location.hash.slice(1)) history.replaceState(null, "", said ? `#${said}` : location.pathname + location.search);
    clearTimeout(waiting);
    // The table answers first, except when the page is opened.
    if (opened) waiting = setTimeout(drawPlots, PLOTS_AFTER_MS);
    else drawPlots();
    opened = true;
  }

  function drawPlots() {
    kb.drawPlots(table.rows(), view, toggle);
  }
  let waiting = 0;
  let opened = false;

  function toggle(page) {
    choose(page, !view.chosen.has(page));
    apply();
  }

  form.addEventListener("input", (event) => {
    const { name, value } = event.target;
    if (name === "show") {
      view.hidden = new Set([...form.elements.show].filter((box) => !box.checked).map((box) => box.value));
    } else if (name === "only") {
      view.only = event.target.checked;
    } else if (name === "length_") {
      view.length = Number(value);
    } else {
      view[name] = value;
    }
    view.page = 1;
    apply();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    look("");
  });
  document.getElementById("clear").addEventListener("click", () => {
    for (const page of [...view.chosen]) choose(page, false);
    apply();
  });

  function look(hash) {
    const next = views.parse(hash, known);
    for (const page of [...view.chosen]) choose(page, false);
    view = { ...next, chosen: new Set() };
    for (const page of next.chosen) choose(page, true);
    view.only = next.only;
    apply();
  }
  // The address holds the view, so the link past the controls moves the focus alone.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("content").focus();
  });
  window.addEventListener("hashchange", () => look(location.hash));

  form.hidden = document.getElementById("plots").hidden = false;
  look(location.hash);
})();
