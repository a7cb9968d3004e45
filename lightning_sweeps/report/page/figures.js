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
