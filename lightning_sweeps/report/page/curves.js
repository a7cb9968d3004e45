"use strict";
// The learning curves: of which metric, against what, and on which scales.
const curvesPlace = () => document.querySelector("#curves .figure");
const curvesChoice = name => document.querySelector(`#curves [name=${name}]`);

// The points of a trial's curve, as is chosen now.
function curveOf(number) {
  const metric = curvesChoice("metric")?.value ?? "";
  if (metric) {
    const columns = details.logged.trials[number];
    if (!columns?.[metric]) return null;
    const against = columns[curvesChoice("against").value] ?? columns.epoch ?? columns.step ?? columns[metric].map((_, place) => place);
    const places = [...columns[metric].keys()].filter(place => columns[metric][place] !== null && against[place] !== null);
    return { x: places.map(place => against[place]), y: places.map(place => columns[metric][place]) };
  }
  const trace = reportedCurves().find(one => one.customdata.includes(number));
  if (!trace) return null;
  const places = [...trace.customdata.keys()].filter(place => trace.customdata[place] === number && trace.y[place] !== null);
  return { x: places.map(place => trace.x[place]), y: places.map(place => trace.y[place]) };
}
function reportedCurves() {
  return curvesPlace() ? writtenOf(curvesPlace()).data : [];
}

// What is to be drawn in place of what Python drew.
function chosenCurves() {
  const metric = curvesChoice("metric").value;
  const against = curvesChoice("against");
  const { data, layout } = writtenOf(curvesPlace());
  const figure = { data, layout: { ...layout } };
  against.closest("label").hidden = !metric;
  if (metric) {
    const likeReported = {};
    for (const trace of figure.data) likeReported[trace.name.split(",")[0]] ??= trace;
    const groups = {};
    for (const number of Object.keys(details.logged.trials).map(Number)) {
      const curve = curveOf(number);
      if (!curve?.x.length) continue;
      const state = number === details.best ? "best" : details.trials[number].state;
      const group = groups[state] ??= { x: [], y: [], customdata: [] };
      group.x.push(...curve.x, null);
      group.y.push(...curve.y, null);
      for (let point = 0; point <= curve.x.length; point++) group.customdata.push(number);
    }
    figure.data = ["complete", "pruned", "failed", "unfinished", "best"].filter(state => groups[state]).map(state => ({
      line: { width: 1 }, opacity: 0.6, ...likeReported[state], type: "scatter",
      name: state === "best" ? likeReported.best?.name ?? state : state,
      mode: groups[state].x.length <= 2 ? "markers" : "lines", ...groups[state],
      hovertemplate: `trial %{customdata}, ${against.value} %{x}: %{y}<extra></extra>`,
    }));
    figure.layout.xaxis = { ...figure.layout.xaxis, title: { text: against.value } };
    figure.layout.yaxis = { ...figure.layout.yaxis, title: { text: metric } };
  }
  for (const axis of ["x", "y"]) {
    const kind = curvesChoice(`log${axis}`).checked ? "log" : "linear";
    figure.layout[`${axis}axis`] = { ...figure.layout[`${axis}axis`], type: kind };
  }
  return figure;
}

function drawCurves() {
  selection.release("curves");  // it was chosen on other axes
  const place = curvesPlace();
  place.figure = chosenCurves();
  if (place.dataset.drawn) { Plotly.purge(place); delete place.dataset.drawn; draw(place); }
  showSideBySide();
}
document.addEventListener("change", event => { if (event.target.matches("#curves select, #curves input")) drawCurves(); });
