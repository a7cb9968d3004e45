"use strict";
const details = JSON.parse(document.querySelector("#details")?.textContent ?? "null");
// Figures are drawn when they come near the screen, so that a long report opens at once.
const dark = matchMedia("(prefers-color-scheme: dark)");
function template() {
  const style = getComputedStyle(document.documentElement);
  const color = name => style.getPropertyValue(name).trim();
  const axis = { gridcolor: color("--line"), zerolinecolor: color("--line"), linecolor: color("--soft"), automargin: true };
  return { layout: {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: color("--ink") }, colorway: ["#2b83c6"],
    xaxis: axis, yaxis: axis, modebar: { bgcolor: "rgba(0,0,0,0)", color: color("--soft"), activecolor: color("--ink") }, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    hoverlabel: { bgcolor: color("--paper"), font: { color: color("--ink") } } } };
}
function draw(place) {
  const figure = JSON.parse(place.nextElementSibling.textContent);
  figure.layout.template = template();
  const still = matchMedia("(max-width: 40rem)").matches;  // a finger that scrolls must not drag a figure
  if (still) figure.layout.dragmode = false;
  Plotly.react(place, figure.data, figure.layout, {
    responsive: true, displaylogo: false, displayModeBar: still ? false : "hover",
    modeBarButtonsToRemove: ["sendChartToCloud"], plotlyServerURL: "",  // it would upload the figure
  });
  if (!place.dataset.drawn && details) place.on("plotly_click", event => {
    const point = event.points[0];
    openPanel(point.customdata ?? (place.closest("section").id === "history" ? point.x : null));
  });
  place.dataset.drawn = "yes";
}
const near = new IntersectionObserver(entries => {
  for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
}, { rootMargin: "400px" });
document.querySelectorAll(".figure").forEach(place => near.observe(place));
dark.addEventListener("change", () => document.querySelectorAll(".figure[data-drawn]").forEach(draw));
addEventListener("beforeprint", () => document.querySelectorAll(".figure:not([data-drawn])").forEach(draw));

const body = document.querySelector("tbody");
const rows = [...body.rows];
const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent;
document.querySelectorAll("th").forEach((head, column) => head.firstChild.addEventListener("click", () => {
  const descending = head.getAttribute("aria-sort") === "ascending";
  document.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const sign = descending ? -1 : 1;
  const order = (a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    if (x === "" || y === "") return (x === "") - (y === "");  // what is empty stays at the end
    const difference = Number(x) - Number(y);
    return sign * (Number.isNaN(difference) ? x.localeCompare(y) : difference);
  };
  body.append(...rows.sort(order));
}));
const header = [...document.querySelectorAll("th")].map(head => head.textContent);
for (const row of rows) for (const cell of row.cells) if (cell.textContent !== "" && !Number.isNaN(Number(cell.dataset.v ?? cell.textContent))) cell.classList.add("number");

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
function sift() {
  const conditions = filter.value.split(/\s+/).filter(Boolean).map(condition);
  for (const row of rows) row.hidden = !conditions.every(holds => holds(row));
  document.querySelector("#shown").textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
}
filter.addEventListener("input", sift);
sift();

document.querySelector("#csv").addEventListener("click", () => {
  const quoted = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const lines = [...body.rows].filter(row => !row.hidden).map(row => header.map((_, place) => quoted(value(row, place))));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([[header.map(quoted), ...lines].map(line => line.join(",")).join("\n") + "\n"], { type: "text/csv" }));
  link.download = "trials.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});

async function copy(button) {
  try { await navigator.clipboard.writeText(button.dataset.copy); } catch {
    const area = document.createElement("textarea");
    area.value = button.dataset.copy;
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 2000);
}
document.addEventListener("click", event => { if (event.target.matches(".copy")) copy(event.target); });

// The panel: what is known of one trial. What is not as in the best one is marked.
const panel = document.querySelector("#panel");
let opener = null;
function fact(name, text, more = "") {
  const row = document.createElement("div");
  row.className = more;
  const [term, told] = [document.createElement("dt"), document.createElement("dd")];
  term.textContent = name;
  told.textContent = text;
  row.append(term, told);
  return row;
}
function openPanel(number) {
  const trial = details?.trials[number];
  if (!trial) return;
  const best = details.trials[details.best];
  panel.querySelector("h2").textContent = `Trial ${number}${number === details.best ? ", the best" : ""}`;
  const rows = trial.facts.map(([name, text]) => fact(name, text));
  for (const [name, text] of Object.entries(trial.params)) rows.push(fact(name, text, best && best.params[name] !== text ? "other" : ""));
  if (trial.rerun) {
    const again = fact("again", trial.rerun + " ");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "copy" });
    button.dataset.copy = trial.rerun;
    again.lastChild.append(button);
    rows.push(again);
  }
  panel.querySelector("dl").replaceChildren(...rows);
  panel.querySelector(".links").replaceChildren(...(trial.links ?? []).map(([name, path]) =>
    Object.assign(document.createElement("a"), { textContent: name, href: path.split("/").map(encodeURIComponent).join("/") })));
  document.querySelectorAll("tr.chosen").forEach(row => row.classList.remove("chosen"));
  document.querySelector(`tr[data-trial="${number}"]`)?.classList.add("chosen");
  opener = document.activeElement;
  panel.hidden = false;
  panel.focus();
}
function closePanel() {
  panel.hidden = true;
  document.querySelectorAll("tr.chosen").forEach(row => row.classList.remove("chosen"));
  opener?.focus();
}
if (details) {
  const chosen = event => event.target.closest("tr[data-trial]")?.dataset.trial;
  body.addEventListener("click", event => openPanel(Number(chosen(event))));
  body.addEventListener("keydown", event => { if (event.key === "Enter") openPanel(Number(chosen(event))); });
  document.querySelector("#close").addEventListener("click", closePanel);
  document.addEventListener("keydown", event => { if (event.key === "Escape" && !panel.hidden) closePanel(); });
}
