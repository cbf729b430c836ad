// Sorts a table by a click on a column's head, and filters long ones by a text. Quantities sort by value, not by letters.
"use strict";
const UNITS = {ps: 1e-12, ns: 1e-9, us: 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, d: 86400, B: 1, "%": 0.01};
const PREFIXES = {k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50};

function valueOf(text) {
  const match = /^([+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?)\s*([A-Za-z%]*)/.exec(text.trim());
  if (!match) return null;
  const unit = match[2];
  const bytes = /^(\w+?)B$/.exec(unit);
  const factor = unit in UNITS ? UNITS[unit] : bytes && bytes[1] in PREFIXES ? PREFIXES[bytes[1]] : 1;
  return parseFloat(match[1].replaceAll(",", "")) * factor;
}

function sortBy(table, column, head) {
  const falling = head.getAttribute("aria-sort") === "ascending";
  const rows = [...table.tBodies[0].rows].map((row) => {
    const text = row.cells[column].textContent;
    return {row, text, value: head.classList.contains("number") ? valueOf(text) : null};
  });
  rows.sort((a, b) => {
    if (a.value !== null && b.value !== null) return falling ? b.value - a.value : a.value - b.value;
    if (a.value !== b.value) return a.value === null ? 1 : -1; // what has no value stays below
    return (falling ? -1 : 1) * a.text.localeCompare(b.text, "en", {numeric: true});
  });
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  table.tBodies[0].append(...rows.map((entry) => entry.row));
}

function addFilter(table) {
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "filter rows";
  input.setAttribute("aria-label", "filter rows");
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  table.parentElement.before(input);
}

for (const table of document.querySelectorAll("table.data")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.tabIndex = 0;
    head.addEventListener("click", () => sortBy(table, column, head));
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter") sortBy(table, column, head);
    });
  });
  if (table.tBodies[0].rows.length > 8) addFilter(table);
}
