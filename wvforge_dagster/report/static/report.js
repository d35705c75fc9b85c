// The report's only script: it filters the matrix and opens details beside it. Every page can be read without it.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const table = byId("matrix");

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  // ---- the filter

  const ROW_HEIGHT = 31;

  function startFilter() {
    const field = byId("name");
    const boxes = [...document.querySelectorAll("#filter input[name=state]")];
    const parts = [...table.querySelectorAll(".part")].map((part) => ({
      part,
      rows: [...part.querySelector("tbody").rows].map((row) => ({
        row,
        name: row.cells[0].firstElementChild.textContent.toLowerCase(),
        states: new Set([...row.cells].slice(1).map((cell) => cell.className)),
      })),
    }));
    const total = parts.reduce((sum, { rows }) => sum + rows.length, 0);

    const isLong = table.classList.contains("long");
    let later = 0;

    // Of a large matrix a browser lays out those parts only that are on its screen (content-visibility). It takes a part that
    // was there before for being there still: so what will not be is kept back until it has seen that.
    function show() {
      clearTimeout(later);
      let height = 0;
      for (const { part, rows, count } of parts) {
        if (isLong) {
          part.style.containIntrinsicBlockSize = `${(count + 1) * ROW_HEIGHT}px`;
          part.style.contentVisibility = height > window.innerHeight ? "hidden" : "";
        }
        for (const { row, fits } of rows) if (row.hidden === fits) row.hidden = !fits;
        if (part.hidden !== (count === 0)) part.hidden = count === 0;
        if (count) height += (count + 1) * ROW_HEIGHT;
      }
      if (!isLong) return;
      table.scrollTop = 0;
      later = setTimeout(() => { for (const { part } of parts) part.style.contentVisibility = ""; }, 100);
    }

    function apply() {
      const wanted = field.value.trim().toLowerCase();
      const states = boxes.filter((box) => box.checked).map((box) => box.value);
      let shown = 0;
      for (const part of parts) {
        part.count = 0;
        for (const row of part.rows) {
          row.fits = row.name.includes(wanted) && (!states.length || states.some((state) => row.states.has(state)));
          if (row.fits) part.count += 1;
        }
        shown += part.count;
      }
      show();
      table.classList.remove(...boxes.map((box) => `only-${box.value}`), "only");
      if (states.length) table.classList.add("only", ...states.map((state) => `only-${state}`));
      byId("found").textContent = shown === total ? `all ${total} packages` : `${shown} of ${total} packages`;
      byId("nothing").hidden = shown > 0;
    }

    function clear() {
      field.value = "";
      for (const box of boxes) box.checked = false;
      apply();
      field.focus();
    }

    field.parentElement.hidden = false;
    byId("found").hidden = false;
    for (const box of boxes) box.hidden = false;
    byId("filter").addEventListener("submit", (event) => event.preventDefault());
    byId("filter").addEventListener("input", apply);
    byId("clear").addEventListener("click", clear);
    field.addEventListener("keydown", (event) => event.key === "Escape" && clear());
    // A browser that goes back to the page fills the fields in again.
    apply();
  }

  // ---- the details

  const known = {};
  const loading = {};
  // What it is called with: report/details.py.
  window.wvforgeDetails = ([packages, said, phases]) => {
    for (const [page, [name, logs, variants]] of Object.entries(packages)) {
      for (const [partition, value] of Object.entries(variants)) {
        const place = `v-${(partition || "all").replace(/[^A-Za-z0-9._-]+/g, "_")}`;
        known[`${page}#${place}`] = { ...value, name, logs, partition, said, phases };
      }
    }
  };

  function moment(seconds) {
    return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  }

  function size(bytes) {
    const unit = ["B", "kB", "MB", "GB"].findIndex((_, power) => bytes < 1000 ** (power + 1) || power === 3);
    const amount = bytes / 1000 ** unit;
    return `${unit && amount < 100 ? amount.toFixed(1) : Math.round(amount)} ${["B", "kB", "MB", "GB"][unit]}`;
  }

  function load(number) {
    loading[number] ??= new Promise((done, failed) => {
      document.head.append(element("script", { src: `data/${number}.js`, onload: done, onerror: failed }));
    });
    return loading[number];
  }

  function term(name, ...children) {
    return element("div", {}, element("dt", { textContent: name }), element("dd", {}, ...children));
  }

  function code(text) {
    return element("code", { textContent: text });
  }

  function rowsOf(details) {
    const rows = [];
    for (const [where, what, old, now] of details.c || []) {
      const values = old === null && now === null ? [] : [element("br", {}), code(`${old ?? "none"} → ${now ?? "none"}`)];
      rows.push(term("Changed", code(where), ` ${what}`, ...values));
    }
    for (const [filename, bytes, sha256, built] of details.f || []) {
      const facts = [element("br", {}), `${size(bytes)}${built ? `, built ${moment(built)}` : ""}`, element("br", {})];
      rows.push(term("File", code(filename), ...facts, element("code", { textContent: sha256, className: "hash" })));
    }
    const [channels, tests, architectures] = ["h", "t", "a"].map((key) => [...details.said[details[key]]]);
    const passed = tests.at(-1) === "passed" && tests.pop();
    if (channels.length) rows.push(term("Channels", channels.join(", ")));
    if (tests.length) rows.push(term(passed ? "Tests passed" : "Tests", tests.join(", ")));
    if (architectures.length) rows.push(term("Code for GPUs", architectures.join(", ")));
    if (details.s) {
      const [at, ...seconds] = details.s;
      const shown = seconds.map((value, position) => (value ? `${details.phases[position]} ${value} s` : "")).filter(Boolean);
      rows.push(term("Times", `${moment(at)}: ${shown.join(", ")}`));
    }
    if (details.l) {
      const logs = table.dataset.logs;
      const path = details.logs + details.l;
      rows.push(term("Log", logs ? element("a", { href: logs + path, textContent: path }) : code(path)));
    }
    if (details.e) rows.push(term("Last lines", element("pre", { textContent: details.e, tabIndex: 0 })));
    return rows;
  }

  function open(link, details) {
    const dialog = byId("details");
    const state = link.parentElement.className;
    const close = element("button", { type: "button", className: "close", textContent: "Close" });
    close.addEventListener("click", () => dialog.close());
    dialog.replaceChildren(
      element("header", {}, element("h2", { id: "details-title", textContent: details.name }), close),
      element("p", { className: "variant-of" },
        `${details.partition || "All columns"} `, element("span", { className: `state ${state}`, textContent: state })),
      element("p", { className: "reason", textContent: details.said[details.r] }),
      element("dl", {}, ...rowsOf(details)),
      element("p", {}, element("a", { href: link.href, textContent: `More on the page of ${details.name}` })),
    );
    dialog.showModal();
  }

  function startDetails() {
    table.addEventListener("click", (event) => {
      const link = event.target.closest("td a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      const place = link.getAttribute("href").split("/").pop().replace(".html#", "#");
      load(link.closest("tr").dataset.d).then(
        () => open(link, known[place]),
        () => { location.href = link.href; },
      );
    });
    // A click beside the panel closes it.
    byId("details").addEventListener("click", (event) => event.target === event.currentTarget && event.target.close());
  }

  // ---- lines to copy

  function startCopying() {
    if (!navigator.clipboard) return;
    for (const lines of document.querySelectorAll(".install pre")) {
      const button = element("button", { type: "button", className: "copy", textContent: "Copy" });
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(lines.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      lines.after(button);
    }
  }

  if (table) {
    startFilter();
    startDetails();
  }
  startCopying();
})();
