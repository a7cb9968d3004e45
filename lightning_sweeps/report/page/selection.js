"use strict";
// The one selection: the trials that the filter, the switches and what is chosen in each figure all leave.
// The table and all figures follow it.
const selection = {
  parts: new Map(),  // who restricts it: which trials it leaves, what it is called, and how it is taken back
  listeners: [],
  restrict(who, choose, called = who, undo = () => {}) {
    this.parts.set(who, { choose, numbers: choose(), called, undo });
    this.tell();
  },
  again() {  // there are other trials
    for (const part of this.parts.values()) part.numbers = part.choose();
    this.tell();
  },
  release(who) {
    const part = this.parts.get(who);
    if (!part) return;
    this.parts.delete(who);
    part.undo();
    this.tell();
  },
  releaseAll() {
    const parts = [...this.parts.values()];
    this.parts.clear();
    for (const part of parts) part.undo();
    this.tell();
  },
  get active() { return this.parts.size > 0; },
  has(number) { return [...this.parts.values()].every(part => part.numbers.has(number)); },
  tell() { for (const listener of this.listeners) listener(); },
};

let trialNumbers = Object.keys(details?.trials ?? {}).map(Number);
const chosenBar = document.querySelector("#chosen");
if (chosenBar) selection.listeners.push(() => {
  const count = trialNumbers.filter(number => selection.has(number)).length;
  chosenBar.hidden = !selection.active;
  chosenBar.querySelector(".count").textContent = `${count} of ${trialNumbers.length} trials`;
  chosenBar.querySelector(".parts").replaceChildren(...[...selection.parts].map(([who, part]) => {
    const chip = Object.assign(document.createElement("button"), { type: "button", className: "chip", textContent: `${part.called} ×` });
    chip.setAttribute("aria-label", `take back: ${part.called}`);
    chip.addEventListener("click", () => selection.release(who));
    return chip;
  }));
});
document.querySelector("#all")?.addEventListener("click", () => selection.releaseAll());

// A switch for each state.
const switches = () => [...document.querySelectorAll("input.state")];
function switched() {
  const off = switches().filter(one => !one.checked).map(one => one.value);
  if (off.length === 0) return selection.release("states");
  const left = () => new Set(trialNumbers.filter(number => !off.includes(details.trials[number].state)));
  selection.restrict("states", left, `without ${off.join(", ")} ones`, () => switches().forEach(one => { one.checked = true; }));
}
document.addEventListener("change", event => { if (event.target.matches("input.state")) switched(); });
