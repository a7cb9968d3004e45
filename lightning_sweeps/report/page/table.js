"use strict";
// The table: sorted by its heads, sifted by conditions, and saved as CSV.
const table = document.querySelector("#trials table");
const body = table.tBodies[0];
let rows = [];
let heads = [];
let header = [];
const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent;
const WRITTEN = { inf: Infinity, "-inf": -Infinity, nan: NaN };
const number = text => WRITTEN[text.toLowerCase()] ?? Number(text);

table.tHead.addEventListener("click", event => {
  const head = event.target.closest("th");
  if (!head) return;
  const descending = head.getAttribute("aria-sort") === "ascending";
  heads.forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  sort();
});
function sort() {
  const column = heads.findIndex(head => head.hasAttribute("aria-sort"));
  if (column < 0) return;
  const sign = heads[column].getAttribute("aria-sort") === "descending" ? -1 : 1;
  const order = (a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    if (x === "" || y === "") return (x === "") - (y === "");  // what is empty stays at the end
    if (Number.isNaN(number(x)) || Number.isNaN(number(y))) return sign * x.localeCompare(y);
    return number(x) === number(y) ? 0 : sign * (number(x) < number(y) ? -1 : 1);
  };
  body.append(...rows.sort(order));
}
// Take another table's head and rows; the column that was sorted by stays so.
function takeTable(from) {
  const sorted = heads.find(head => head.hasAttribute("aria-sort"));
  if (from !== table) {
    table.tHead.replaceChildren(...from.tHead.rows);
    body.replaceChildren(...from.tBodies[0].rows);
  }
  heads = [...table.tHead.rows[0].cells];
  header = heads.map(head => head.textContent);
  heads.find(head => head.textContent === sorted?.textContent)?.setAttribute("aria-sort", sorted.getAttribute("aria-sort"));
  rows = [...body.rows];
  for (const row of rows) for (const cell of row.cells) {
    const text = cell.dataset.v ?? cell.textContent;
    if (text !== "" && !Number.isNaN(number(text))) cell.classList.add("number");
  }
  sort();
}
takeTable(table);

// "value>0.97 state=complete mlp": conditions on columns, which may be named by their last parts, and words. Quotes hold
// a name or a word with spaces together.
const column = name => {
  const lower = header.map(one => one.toLowerCase());
  const wanted = name.toLowerCase();
  const exact = lower.indexOf(wanted);
  if (exact >= 0) return exact;
  const ends = lower.findIndex(one => one.endsWith(`.${wanted}`) || one.endsWith(`/${wanted}`));
  if (ends >= 0) return ends;
  const starts = lower.findIndex(one => one.startsWith(wanted));
  return starts < 0 && wanted === "value" && details ? 1 : starts;  // of several objectives the first
};
const compared = { ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b, "=": (a, b) => a === b, "!=": (a, b) => a !== b };
const AS_IN_OPTUNA = { failed: ["fail"], unfinished: ["running", "waiting"] };  // this page's words for a state
function condition(words) {
  const parts = words.match(/^("[^"]*"|[^<>=!"]+)(>=|<=|!=|==|=|>|<)(.*)$/);
  if (!parts) {
    const word = words.replaceAll('"', "").toLowerCase();
    const either = [word, ...(AS_IN_OPTUNA[word] ?? [])];
    return row => either.some(one => row.textContent.toLowerCase().includes(one));
  }
  const [name, sign, wanted] = [parts[1].replaceAll('"', ""), parts[2].replace("==", "="), parts[3].replaceAll('"', "").toLowerCase()];
  if (wanted === "") return () => true;  // it is being typed
  const place = column(name);
  if (place < 0) return Object.assign(() => false, { unknown: name });
  const either = AS_IN_OPTUNA[wanted];
  return row => {
    const text = value(row, place).toLowerCase();
    if (text === "") return false;
    if (header[place] === "state" && either) return either.includes(text) === (sign === "=");
    return Number.isNaN(number(wanted)) || Number.isNaN(number(text)) ? compared[sign](text, wanted) : compared[sign](number(text), number(wanted));
  };
}
const filter = document.querySelector("#filter");
let conditions = [];
const holdFor = row => conditions.every(holds => holds(row));
const numberOf = row => Number(row.dataset.trial);
function show() {
  for (const row of rows) row.hidden = !(details ? selection.has(numberOf(row)) : holdFor(row));
  const unknown = conditions.find(holds => holds.unknown)?.unknown;
  const count = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
  document.querySelector("#shown").textContent = unknown ? `${count}: there is no column ${unknown}` : count;
}
selection.listeners.unshift(show);
function sift() {
  const close = filter.value.replace(/\s*(>=|<=|!=|==|=|>|<)\s*/g, "$1");
  conditions = (close.match(/(?:"[^"]*"?|[^\s"])+/g) ?? []).map(condition);
  if (!details) return show();
  if (!conditions.length) return selection.parts.has("filter") ? selection.release("filter") : show();
  selection.restrict("filter", () => new Set(rows.filter(holdFor).map(numberOf)), filter.value.trim(), () => { filter.value = ""; conditions = []; });
}
let typing = 0;
filter.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(sift, 120); });
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
