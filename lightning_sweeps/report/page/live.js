"use strict";
// A served report follows its search: what has changed is taken over, and what was chosen stays.
const SECONDS_BETWEEN_LOOKS = 2;
let seenState = document.documentElement.dataset.live;
const ids = page => [...page.querySelectorAll("main section")].map(section => section.id).join(" ");

async function look() {
  try {
    const { state } = await (await fetch("report.html?state")).json();
    if (state !== seenState) {
      const page = new DOMParser().parseFromString(await (await fetch("report.html")).text(), "text/html");
      takeOver(page);
      seenState = page.documentElement.dataset.live;
    }
    document.title = document.title.replace(/^\(no answer\) /, "");
  } catch {
    if (!document.title.startsWith("(no answer) ")) document.title = `(no answer) ${document.title}`;
  }
  setTimeout(look, 1000 * SECONDS_BETWEEN_LOOKS);
}

function takeOver(page) {
  if (ids(page) !== ids(document)) {  // the first best trial, or a figure more
    sessionStorage.setItem("live", JSON.stringify({ filter: filter.value, scroll: scrollY, pinned }));
    return location.reload();
  }
  for (const place of [".overview", "#best", "#front", "#advice", "#setup", ".states"]) {
    const [now, then] = [page.querySelector(place), document.querySelector(place)];
    if (now && then && place !== ".states") then.innerHTML = now.innerHTML;
  }
  for (const box of page.querySelectorAll("input.state")) {
    const known = document.querySelector(`input.state[value="${box.value}"]`);
    if (known) known.nextSibling.textContent = box.nextSibling.textContent;
  }
  details = JSON.parse(page.querySelector("#details").textContent);
  trialNumbers = Object.keys(details.trials).map(Number);
  for (const place of document.querySelectorAll(".figure")) {
    const [here, there] = [place, page.querySelector(`#${place.closest("section").id} .figure`)];
    here.nextElementSibling.textContent = there.nextElementSibling.textContent;
    here.figure = null;
  }
  if (curvesPlace) curvesPlace.figure = chosenCurves();
  takeRows(page.querySelector("#trials tbody"));
  selection.again();
  showSideBySide();
  if (!panel.hidden) openPanel(Number(panel.dataset.trial));
}

if (details && document.documentElement.dataset.live) {
  const before = JSON.parse(sessionStorage.getItem("live") ?? "null");
  sessionStorage.removeItem("live");
  if (before) {
    filter.value = before.filter;
    sift();
    before.pinned.forEach(number => pin(number, true));
    scrollTo(0, before.scroll);
  }
  setTimeout(look, 1000 * SECONDS_BETWEEN_LOOKS);
}
