"use strict";
// Up to five trials side by side: what differs in them, and their curves.
const MOST_PINNED = 5;
const pinned = [];
const sideBySide = document.querySelector("#side-by-side");
const PIN_COLORS = ["#2b83c6", "#e08e0b", "#1a9e77", "#b0508e", "#d5431e"];
const PIN_DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];

function pin(number, wanted) {
  const place = pinned.indexOf(number);
  if (wanted && place < 0 && pinned.length < MOST_PINNED) pinned.push(number);
  if (!wanted && place >= 0) pinned.splice(place, 1);
  showSideBySide();
}

function showSideBySide() {
  if (!sideBySide) return;
  document.querySelectorAll("input.pin").forEach(box => {
    box.checked = pinned.includes(Number(box.value));
    box.disabled = !box.checked && pinned.length >= MOST_PINNED;
  });
  sideBySide.hidden = pinned.length === 0;
  document.querySelector("#to-side-by-side").hidden = pinned.length === 0;
  sideBySide.querySelector(".hint").hidden = pinned.length !== 1;
  const known = pinned.map(number => {
    const trial = details.trials[number];
    // A parameter may be called like a fact.
    return new Map([...trial.facts, ...Object.entries(trial.params).map(([name, text]) => [`${name} `, text])]);
  });
  const names = [...new Set(known.flatMap(one => [...one.keys()]))];
  const row = (name, cells, kind) => {
    const line = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row", textContent: name.trim() });
    line.append(head, ...cells.map(text => Object.assign(document.createElement(kind), { textContent: text })));
    return line;
  };
  const rows = names.map(name => {
    const texts = known.map(one => one.get(name) ?? "not set");
    const line = row(name, texts, "td");
    if (new Set(texts).size > 1) line.className = "differs";
    return line;
  });
  sideBySide.querySelector("thead").replaceChildren(row("", pinned.map(number => `trial ${number}`), "th"));
  sideBySide.querySelector("tbody").replaceChildren(...rows);
  plotlyReady.then(() => drawCurvesOf(sideBySide.querySelector(".curves"), pinned));
}

function drawCurvesOf(place, numbers) {
  const lines = numbers.flatMap((number, index) => {
    const curve = curveOf(number);
    return curve ? [{ ...curve, type: "scatter", mode: curve.x.length === 1 ? "markers" : "lines", name: `trial ${number}`,
      line: { color: PIN_COLORS[index], dash: PIN_DASHES[index], width: 2 } }] : [];
  });
  place.hidden = lines.length === 0;
  if (!lines.length) return;
  const axes = curvesPlace() ? figureOf(curvesPlace()).layout : {};
  Plotly.react(place, lines, {
    template: template(), margin: { t: 24, r: 16, b: 48, l: 64 }, xaxis: axes.xaxis, yaxis: axes.yaxis, showlegend: numbers.length > 1,
  }, { responsive: true, displayModeBar: false, plotlyServerURL: "" });
}

document.addEventListener("change", event => {
  if (event.target.matches("input.pin")) pin(Number(event.target.value), event.target.checked);
});
document.querySelector("#unpin")?.addEventListener("click", () => [...pinned].forEach(number => pin(number, false)));
document.querySelector("#pin")?.addEventListener("click", event => {
  const number = Number(event.target.dataset.trial);
  pin(number, !pinned.includes(number));
  nameThePin(number);
});
function nameThePin(number) {
  const button = document.querySelector("#pin");
  button.dataset.trial = number;
  button.textContent = pinned.includes(number) ? "not side by side any more" : "side by side";
  button.disabled = !pinned.includes(number) && pinned.length >= MOST_PINNED;
}
