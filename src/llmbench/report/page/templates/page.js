"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  document.documentElement.classList.add("js");
  const table = $("cells");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const value = (row, column) => {
    const cell = row.cells[column];
    const raw = cell.dataset.v;
    return raw === undefined ? cell.textContent.trim() : raw === "" ? null : Number(raw);
  };
  const order = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));

  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const head = button.parentElement;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const th of table.tHead.rows[0].cells) th.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const column = head.cellIndex;
    rows.sort((one, two) => {
      const a = value(one, column), b = value(two, column);
      if (a === null || b === null) return (a === null) - (b === null);
      return down ? order(b, a) : order(a, b);
    });
    body.append(...rows);
  });

  const text = $("filter"), verdict = $("verdict"), count = $("count");
  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const has = row.dataset.text;
      const on = words.every((word) => has.includes(word)) && (!verdict.value || row.dataset.verdict === verdict.value);
      row.hidden = !on;
      shown += on;
    }
    count.textContent = `${shown} of ${rows.length} cells`;
  };
  text.addEventListener("input", filter);
  verdict.addEventListener("change", filter);

  filter();
  if (!$("dialog")) return;

  const dialog = $("dialog"), place = $("place"), where = $("where");
  const visible = () => Array.from(body.rows).filter((row) => !row.hidden);
  let current = null;
  const show = (row) => {
    const article = $(row.dataset.cell);
    if (!article) return;
    current = row;
    const copy = article.cloneNode(true);
    copy.removeAttribute("id");
    for (const details of copy.querySelectorAll("details[data-log]")) {
      details.append($(details.dataset.log).querySelector("pre").cloneNode(true));
    }
    place.replaceChildren(copy);
    const all = visible();
    where.textContent = `cell ${all.indexOf(row) + 1} of ${all.length}`;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    history.replaceState(null, "", "#" + row.dataset.cell);
  };
  const step = (by) => {
    const all = visible();
    const next = all[all.indexOf(current) + by];
    if (next) show(next);
  };
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row || String(getSelection())) return;
    event.preventDefault();
    show(row);
  });
  $("back").addEventListener("click", () => step(-1));
  $("on").addEventListener("click", () => step(1));
  $("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  dialog.addEventListener("close", () => {
    history.replaceState(null, "", location.pathname + location.search);
    const link = current && current.querySelector("a");
    if (link) link.focus();
  });
  const linked = rows.find((row) => "#" + row.dataset.cell === location.hash);
  if (linked) show(linked);
})();
