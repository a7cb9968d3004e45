"use strict";
// The table: sorted by its heads, sifted by conditions, and saved as CSV.
const table = document.querySelector("#trials table");
const body = table.tBodies[0];
let rows = [];
const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent;
const heads = [...table.tHead.rows[0].cells];
const header = heads.map(head => head.textContent);
heads.forEach(head => head.firstChild.addEventListener("click", () => {
  const descending = head.getAttribute("aria-sort") === "ascending";
  heads.forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  sort();
}));
function sort() {
  const column = heads.findIndex(head => head.hasAttribute("aria-sort"));
  if (column < 0) return;
  const sign = heads[column].getAttribute("aria-sort") === "descending" ? -1 : 1;
  const order = (a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    if (x === "" || y === "") return (x === "") - (y === "");  // what is empty stays at the end
    const difference = Number(x) - Number(y);
    return sign * (Number.isNaN(difference) ? x.localeCompare(y) : difference);
  };
  body.append(...rows.sort(order));
}
function takeRows(from) {
  body.replaceChildren(...from.rows);
  rows = [...body.rows];
  for (const row of rows) for (const cell of row.cells) {
    const text = cell.dataset.v ?? cell.textContent;
    if (text !== "" && !Number.isNaN(Number(text))) cell.classList.add("number");
  }
  sort();
}
takeRows(body);

// "value>0.97 state=complete mlp": conditions on columns, which may be named by their last parts, and words.
const column = name => {
  const exact = header.indexOf(name);
  if (exact >= 0) return exact;
  const ends = header.findIndex(one => one.endsWith(`.${name}`));
  return ends >= 0 ? ends : header.findIndex(one => one.startsWith(name));
};
const compared = { ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b, "=": (a, b) => a === b, "!=": (a, b) => a !== b };
function condition(word) {
  const parts = word.match(/^([^<>=!]+)(>=|<=|!=|=|>|<)(.+)$/);
  const place = parts ? column(parts[1]) : -1;
  if (place < 0) return row => row.textContent.toLowerCase().includes(word.toLowerCase());
  const wanted = Number(parts[3]);
  return row => {
    const text = value(row, place);
    if (text === "") return false;
    return Number.isNaN(wanted) || Number.isNaN(Number(text))
      ? compared[parts[2]](text.toLowerCase(), parts[3].toLowerCase()) : compared[parts[2]](Number(text), wanted);
  };
}
const filter = document.querySelector("#filter");
let conditions = [];
const holdFor = row => conditions.every(holds => holds(row));
const numberOf = row => Number(row.dataset.trial);
function show() {
  for (const row of rows) row.hidden = !(details ? selection.has(numberOf(row)) : holdFor(row));
  document.querySelector("#shown").textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
}
selection.listeners.unshift(show);
function sift() {
  conditions = filter.value.split(/\s+/).filter(Boolean).map(condition);
  if (!details) return show();
  if (!conditions.length) return selection.parts.has("filter") ? selection.release("filter") : show();
  selection.restrict("filter", () => new Set(rows.filter(holdFor).map(numberOf)), filter.value.trim(), () => { filter.value = ""; });
}
filter.addEventListener("input", sift);
sift();

document.querySelector("#csv").addEventListener("click", () => {
  const quoted = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const lines = [...body.rows].filter(row => !row.hidden).map(row => header.map((_, place) => quoted(value(row, place))));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([[header.map(quoted), ...lines].map(line => line.join(",")).join("\n") + "\n"], { type: "text/csv" }));
  link.download = details ? "trials.csv" : "searches.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
