"use strict";
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
  const before = document.activeElement;
  panel.hidden = false;  // a figure needs its width
  if (!fillPanel(number)) { panel.hidden = true; return; }
  opener = before;
  panel.focus();
}
function fillPanel(number) {
  const trial = details?.trials[number];
  if (!trial) return false;
  const best = details.trials[details.best];
  panel.dataset.trial = number;
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
  const log = panel.querySelector(".log");
  log.hidden = !trial.log;
  log.querySelector("pre").textContent = trial.log ?? "";
  nameThePin(number);
  plotlyReady.then(() => { if (!panel.hidden) drawCurvesOf(panel.querySelector(".curve"), [number]); });
  panel.querySelector(".links").replaceChildren(...(trial.links ?? []).map(([name, path]) =>
    Object.assign(document.createElement("a"), { textContent: name, href: path.split("/").map(encodeURIComponent).join("/") })));
  document.querySelectorAll("tr.chosen").forEach(row => row.classList.remove("chosen"));
  document.querySelectorAll(`tr[data-trial="${number}"]`).forEach(row => row.classList.add("chosen"));
  return true;
}
function closePanel() {
  panel.hidden = true;
  document.querySelectorAll("tr.chosen").forEach(row => row.classList.remove("chosen"));
  opener?.focus();
}
if (details) {
  const opens = event => {
    const row = event.target.closest("tr[data-trial]");
    if (row && !event.target.closest("label, input")) openPanel(Number(row.dataset.trial));
  };
  document.addEventListener("click", opens);
  document.addEventListener("keydown", event => { if (event.key === "Enter") opens(event); });
  document.querySelector("#close").addEventListener("click", closePanel);
  document.addEventListener("keydown", event => { if (event.key === "Escape" && !panel.hidden) closePanel(); });
}
