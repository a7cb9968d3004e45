"use strict";
// Figures are drawn when they come near the screen, so that a long report opens at once.
const dark = matchMedia("(prefers-color-scheme: dark)");
let drawings = 0;
const REST = 0.07;  // the opacity of lines that are not chosen
function template() {
  const style = getComputedStyle(document.documentElement);
  const color = name => style.getPropertyValue(name).trim();
  const axis = {
    gridcolor: color("--line"), zerolinecolor: color("--line"), linecolor: color("--soft"), automargin: true,
    exponentformat: "power", minexponent: 5,  // no prefixes such as "2.5m"
  };
  return { layout: {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: color("--ink") }, colorway: ["#2b83c6"],
    xaxis: axis, yaxis: axis, modebar: { bgcolor: "rgba(0,0,0,0)", color: color("--soft"), activecolor: color("--ink") },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    hoverlabel: { bgcolor: color("--paper"), font: { color: color("--ink") } } } };
}

// What Python drew, and what is drawn: that, or what has been chosen in its place.
function writtenOf(place) {
  place.written ??= JSON.parse(place.nextElementSibling.textContent);
  return place.written;
}
const figureOf = place => place.figure ?? writtenOf(place);

// Dots that are not chosen are dimmed, and lines go on as faint ones. A trace of which nothing is chosen keeps its place in the legend.
function withSelection(trace, index) {
  const uid = `trace${index}`;  // so that what is hidden by the legend stays hidden
  if (!trace.customdata || !selection.active) return [{ ...trace, uid }];
  const chosen = trace.customdata.map(number => selection.has(number));
  if (trace.mode === "markers" || trace.type === "bar") {
    const selectedpoints = [...chosen.keys()].filter(place => chosen[place]);
    return [{ ...trace, uid, selectedpoints, unselected: { marker: { opacity: 0.12 } } }];
  }
  const part = wanted => {
    const places = [...chosen.keys()].filter(place => chosen[place] === wanted);
    const pick = values => places.map(place => values[place]);
    return { x: pick(trace.x), y: pick(trace.y), customdata: pick(trace.customdata) };
  };
  const rest = { ...trace, ...part(false), uid: `${uid}rest`, opacity: REST, hoverinfo: "skip", hovertemplate: null };
  return chosen.includes(true) ? [{ ...rest, showlegend: false }, { ...trace, ...part(true), uid }] : [rest];
}

function draw(place) {
  const figure = figureOf(place);
  const still = matchMedia("(max-width: 40rem)").matches;  // a finger that scrolls must not drag a figure
  const brushed = details && (figure.layout.meta?.brush || figure.layout.meta?.axes);
  const layout = { ...figure.layout, template: template(), uirevision: "same", selectionrevision: ++drawings, selections: place.selections ?? [] };
  layout.shapes = [...(figure.layout.shapes ?? []), ...axisShapes(place)];
  if (still) layout.dragmode = false;
  else if (brushed) layout.dragmode = "select";
  layout.selectdirection = figure.layout.meta?.axes ? "d" : "any";  // a box along an axis must not become as wide as the figure
  const zooms = figure.layout.meta?.axes ? [] : ["zoomIn2d", "zoomOut2d", "autoScale2d", "resetScale2d"];
  const drags = [...(zooms.length ? ["zoom2d", "pan2d"] : []), ...(brushed ? ["select2d"] : [])];
  place.drawing = true;
  Plotly.react(place, figure.data.flatMap(withSelection), layout, {
    responsive: true, displaylogo: false, displayModeBar: still ? false : "hover", plotlyServerURL: "",
    modeBarButtons: [["toImage"], drags, zooms].filter(group => group.length),  // none of them uploads the figure
  }).then(() => { place.drawing = false; });
  if (!place.dataset.drawn && details) listen(place, brushed);
  place.dataset.drawn = "yes";
  place.stale = false;
}

function listen(place, brushed) {
  place.on("plotly_click", event => openPanel(event.points[0].customdata ?? null));
  if (!brushed) return;
  place.on("plotly_selected", event => {
    if (place.drawing || !event?.range) return;  // Plotly tells of the boxes that we draw, too
    const { x, y } = event.range;
    if (figureOf(place).layout.meta?.axes) return chooseOnAxis(place, x, y);
    place.selections = place.layout.selections.slice(-1);
    choose(place, () => inside(figureOf(place), x, y));
  });
  const released = () => {
    if (place.drawing) return;
    selection.release(nameOf(place));
    for (const index of [...(place.axes?.keys() ?? [])]) selection.release(`axis ${index}`);
  };
  place.on("plotly_deselect", released);
  place.on("plotly_doubleclick", released);
}
const nameOf = place => place.closest("section").id;
const titleOf = place => place.closest("section").querySelector("h2").textContent;

// The trials that have a point in the rectangle.
function inside(figure, x, y) {
  const within = (value, [one, other]) => value >= Math.min(one, other) && value <= Math.max(one, other);
  const found = new Set();
  for (const trace of figure.data) (trace.customdata ?? []).forEach((number, place) => {
    if (trace.y[place] !== null && within(trace.x[place], x) && within(trace.y[place], y)) found.add(number);
  });
  return found;
}
function choose(place, numbers) {
  selection.restrict(nameOf(place), numbers, titleOf(place), () => { place.selections = []; });
}

// Parallel coordinates: each axis may be restricted.
function chooseOnAxis(place, x, y) {
  const names = figureOf(place).layout.meta.axes;
  const index = Math.max(0, Math.min(names.length - 1, Math.round((x[0] + x[1]) / 2)));
  place.axes ??= new Map();
  place.axes.set(index, y);
  const chosen = () => inside(figureOf(place), [index - 0.01, index + 0.01], y);
  selection.restrict(`axis ${index}`, chosen, names[index], () => place.axes.delete(index));
}
function axisShapes(place) {
  return [...(place.axes ?? [])].map(([index, [low, high]]) => ({
    type: "rect", x0: index - 0.06, x1: index + 0.06, y0: low, y1: high, fillcolor: "#b0508e", opacity: 0.35, line: { width: 0 },
  }));
}

const drawn = () => document.querySelectorAll(".figure[data-drawn]");
// What is far from the screen waits until it comes near.
const near = new IntersectionObserver(entries => {
  for (const entry of entries) {
    entry.target.near = entry.isIntersecting;
    if (entry.isIntersecting && (!entry.target.dataset.drawn || entry.target.stale)) draw(entry.target);
  }
}, { rootMargin: "400px" });
let planned = 0;
function redraw() {
  drawn().forEach(place => { place.stale = true; });
  cancelAnimationFrame(planned);
  planned = requestAnimationFrame(() => drawn().forEach(place => { if (place.near && place.stale) draw(place); }));
}
plotlyReady.then(() => document.querySelectorAll(".figure").forEach(place => near.observe(place)));
dark.addEventListener("change", redraw);
addEventListener("beforeprint", () => document.querySelectorAll(".figure:not([data-drawn])").forEach(draw));
selection.listeners.push(redraw);
