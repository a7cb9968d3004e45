"use strict";
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
  place.dataset.drawn = "";
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
const filter = document.querySelector("#filter");
function sift() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
  document.querySelector("#shown").textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
}
filter.addEventListener("input", sift);
sift();
