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

  function startFilter() {
    const field = byId("name");
    const boxes = [...document.querySelectorAll("#filter input[name=state]")];
    const levels = [...table.tBodies].map((body) => ({
      body,
      rows: [...body.rows].slice(1).map((row) => ({
        row,
        name: row.cells[0].firstElementChild.textContent.toLowerCase(),
        states: new Set([...row.cells].slice(1).map((cell) => cell.className)),
      })),
    }));
    const total = levels.reduce((sum, level) => sum + level.rows.length, 0);

    function apply() {
      const wanted = field.value.trim().toLowerCase();
      const states = boxes.filter((box) => box.checked).map((box) => box.value);
      let shown = 0;
      for (const { body, rows } of levels) {
        let here = 0;
        for (const { row, name, states: mine } of rows) {
          const fits = name.includes(wanted) && (!states.length || states.some((state) => mine.has(state)));
          if (row.hidden === fits) row.hidden = !fits;
          if (fits) here += 1;
        }
        if (body.hidden !== (here === 0)) body.hidden = here === 0;
        shown += here;
      }
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
  window.wvforgeDetails = (data) => Object.assign(known, data);

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
    for (const [filename, size, sha256, built] of details.f || []) {
      const facts = [element("br", {}), `${size}${built ? `, built ${built}` : ""}`, element("br", {})];
      rows.push(term("File", code(filename), ...facts, element("code", { textContent: sha256, className: "hash" })));
    }
    if (details.h) rows.push(term("Channels", details.h.join(", ")));
    if (details.t) rows.push(term(details.k ? "Tests passed" : "Tests", details.t.join(", ")));
    if (details.a) rows.push(term("GPU architectures", `${details.a.join(", ")} (as the recipe names them)`));
    if (details.s) {
      const phases = Object.entries(details.s).map(([phase, seconds]) => `${phase} ${seconds}`);
      rows.push(term("Times", `${details.w}: ${phases.join(", ")}`));
    }
    if (details.l) {
      const logs = table.dataset.logs;
      rows.push(term("Log", logs ? element("a", { href: logs + details.l, textContent: details.l }) : code(details.l)));
    }
    if (details.e) rows.push(term("Last lines", element("pre", { textContent: details.e, tabIndex: 0 })));
    return rows;
  }

  function open(link, details, name) {
    const dialog = byId("details");
    const state = link.parentElement.className;
    const close = element("button", { type: "button", className: "close", textContent: "Close" });
    close.addEventListener("click", () => dialog.close());
    dialog.replaceChildren(
      element("header", {}, element("h2", { id: "details-title", textContent: name }), close),
      element("p", { className: "variant-of" },
        `${details.p || "All columns"} `, element("span", { className: `state ${state}`, textContent: state })),
      element("p", { className: "reason", textContent: details.r || "" }),
      element("dl", {}, ...rowsOf(details)),
      element("p", {}, element("a", { href: link.href, textContent: `More on the page of ${name}` })),
    );
    dialog.showModal();
  }

  function startDetails() {
    table.addEventListener("click", (event) => {
      const link = event.target.closest("td a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      const [page, place] = link.getAttribute("href").split("/").pop().split(".html#");
      load(link.closest("tr").dataset.d).then(
        () => open(link, known[page].v[place], known[page].n),
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
