"use strict";
// The table: sorted, paged and filtered by DataTables; cells are nodes, so that no text is markup.
(function () {
  const { element, text } = window.kb;

  // Ascending and descending alike, rows without a figure come last.
  function compare(sign) {
    return (a, b) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return a < b ? -sign : a > b ? sign : 0;
    };
  }

  function nameCell(row) {
    return element("a", { href: `submissions/${row.page}.html` }, element("bdi", {}, row.name));
  }

  function trackCell(track) {
    const cell = document.createDocumentFragment();
    const opaque = track.link === "opaque" ? ", opaque link" : "";
    cell.append(`${track.task}, ${track.budget}`, element("span", {}, `${track.recipe}${opaque}`));
    return cell;
  }

  function scoreCell(row) {
    const [value, low, high] = row.score.map((number) => number.toFixed(2));
    const cell = document.createDocumentFragment();
    cell.append(value, element("span", {}, `[${low}, ${high}]`));
    return cell;
  }

  function badgeCell(row, badges) {
    return element("ul", { class: "badges" },
      ...row.badges.map((key) => element("li", { class: `badge ${key}` }, badges[key])));
  }

  function chooseCell(row) {
    const box = element("input", { type: "checkbox", "aria-label": `Choose ${row.name}`, value: row.page });
    box.checked = row.chosen;
    return box;
  }

  function columns(data) {
    const order = new Map(data.rows.map((row, place) => [row, place]));
    const plain = [
      { key: "choose", title: "Choose", classes: "choose left", show: chooseCell, sort: null },
      { key: "rank", title: "rank", classes: "rank left", show: (row) => new Text(row.rank), sort: (row) => row.first, first: "asc" },
      { key: "name", title: "name", classes: "name left", show: nameCell, sort: (row) => row.name.toLowerCase(), first: "asc" },
      { key: "score_db", title: "score, dB", classes: "score", show: scoreCell, sort: (row) => row.score[0], first: "desc" },
      { key: "track", title: "track", classes: "track left", show: (row) => trackCell(data.tracks[row.track]), sort: (row) => order.get(row), first: "asc" },
    ];
    const figures = data.columns.map((column, place) => ({
      key: column.key,
      title: column.label,
      group: column.group,
      classes: "",
      show: (row) => new Text(text(column, row.values[place])),
      sort: (row) => row.values[place],
      first: column.better === "higher" ? "desc" : "asc",
    }));
    const last = [
      { key: "badges", title: "badges", classes: "badge-cell left", show: (row) => badgeCell(row, data.badges), sort: (row) => row.badges.length, first: "desc" },
      { key: "submitted", title: "submitted", classes: "", show: (row) => new Text(row.submitted), sort: (row) => row.submitted, first: "desc" },
    ];
    return [...plain, ...figures, ...last];
  }

  // Lines break neither within "SI-SDRi" nor within "48 ms".
  function unbroken(title) {
    return title.replaceAll("-", "\u2011").replace(/([0-9]) ms/, "$1\u00a0ms").replace("at ", "at\u00a0");
  }

  function definition(column) {
    return {
      data: null,
      title: unbroken(column.title),
      className: column.classes,
      type: "figure",
      // DataTables' own search would read texts as markup: rows are searched in view.js.
      searchable: false,
      orderable: column.sort !== null,
      orderSequence: column.first === "asc" ? ["asc", "desc"] : ["desc", "asc"],
      render: (unused, kind, row) => (kind === "display" ? column.show(row) : column.sort ? column.sort(row) : null),
    };
  }

  // act: {filter(row), changed(), choose(page, chosen)}
  function make(data, act) {
    Object.assign(DataTable.ext.type.order, { "figure-asc": compare(1), "figure-desc": compare(-1) });
    DataTable.ext.errMode = "throw";
    const all = columns(data);
    const track = all.findIndex((column) => column.key === "track");
    const api = new DataTable("#board", {
      data: data.rows,
      columns: all.map(definition),
      order: [[track, "asc"]],
      orderMulti: false,
      autoWidth: false,
      layout: { topStart: "info", topEnd: "paging", bottomStart: null, bottomEnd: { paging: {} } },
      pageLength: 25,
      language: {
        info: "Rows _START_ to _END_ of _TOTAL_", infoEmpty: "No rows", infoFiltered: "(of _MAX_ in all)",
        zeroRecords: "No row is like this: loosen the filters.", emptyTable: "No rows",
        aria: { orderable: ": sort", orderableReverse: ": sort the other way", orderableRemove: ": sort" },
      },
      createdRow: (node, row) => node.classList.toggle("chosen", row.chosen),
    });
    api.search.fixed("view", (texts, row) => act.filter(row));
    accessible(api);
    api.on("order", () => act.changed());
    api.on("page", () => act.changed());
    document.getElementById("board").addEventListener("change", (event) => {
      if (!event.target.matches("input[type=checkbox]")) return;
      event.target.closest("tr").classList.toggle("chosen", event.target.checked);
      act.choose(event.target.value, event.target.checked);
    });
    return { api, columns: all, ...order(api, all, track) };
  }

  function order(api, all, track) {
    return {
      // {key, direction}; null is the order of tracks and ranks.
      sorted() {
        const [[place, direction]] = api.order();
        return place === track && direction === "asc" ? null : { key: all[place].key, direction };
      },
      sortBy(sort) {
        const place = sort ? all.findIndex((column) => column.key === sort.key) : track;
        api.order([[place, sort ? sort.direction : "asc"]]);
      },
      // Rows that the filters leave, in the order of the table, of all pages.
      rows() {
        return api.rows({ search: "applied", order: "applied" }).data().toArray();
      },
      hide(groups) {
        for (const visible of [true, false]) {
          const places = all.flatMap((column, place) => (column.group && groups.has(column.group) !== visible ? [place] : []));
          if (places.length) api.columns(places).visible(visible);
        }
      },
    };
  }

  // The part that scrolls is a region that the keyboard reaches; space sorts as Enter does.
  function accessible(api) {
    const region = document.querySelector("#table .dt-layout-table");
    region.setAttribute("role", "region");
    region.setAttribute("aria-labelledby", "rows-heading");
    region.tabIndex = 0;
    api.table().header().addEventListener("keydown", (event) => {
      if (event.key !== " " || !event.target.matches(".dt-column-order")) return;
      event.preventDefault();
      event.target.click();
    });
  }

  Object.assign(window.kb, { makeTable: make });
})();
