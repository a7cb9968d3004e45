"use strict";
// A served report follows its search: what has changed is taken over, and what was chosen stays.
const SECONDS_BETWEEN_LOOKS = 2;
let seenState = document.documentElement.dataset.live;
const offline = document.querySelector("#offline");

async function look() {
  try {
    const { state } = await (await fetch("report.html?state")).json();
    if (state !== seenState) {
      const answer = await fetch("report.html");
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      takeOver(page);
      seenState = page.documentElement.dataset.live;
    }
    offline.hidden = true;
  } catch {
    offline.hidden = false;
  }
  setTimeout(look, 1000 * SECONDS_BETWEEN_LOOKS);
}

// Sections that are new come in, such as the first best trial or one more figure; those that are gone leave.
function takeSections(page) {
  const there = [...page.querySelectorAll("main section")];
  for (const section of document.querySelectorAll("main section")) {
    if (!there.some(one => one.id === section.id)) section.remove();
  }
  for (const section of there) {
    if (document.querySelector(`#${section.id}`)) continue;
    const next = there.slice(there.indexOf(section) + 1).find(one => document.querySelector(`#${one.id}`));
    const came = document.importNode(section, true);
    const before = next ? document.querySelector(`#${next.id}`) : null;
    if (before && before.parentElement.className === section.parentElement.className) before.before(came);
    else (section.closest(".figures") ? document.querySelector(".figures") : document.querySelector("main")).append(came);
    came.querySelectorAll(".figure").forEach(place => near.observe(place));
  }
}

function takeOver(page) {
  const off = switches().filter(one => !one.checked).map(one => one.value);
  takeSections(page);
  for (const place of [".overview", "nav", "#best", "#front", "#advice", "#setup", ".states", ".banner"]) {
    const [now, then] = [page.querySelector(place), document.querySelector(place)];
    if (now && then && now.innerHTML !== then.innerHTML) then.innerHTML = now.innerHTML;
  }
  switches().forEach(one => { one.checked = !off.includes(one.value); });
  details = JSON.parse(page.querySelector("#details").textContent);
  trialNumbers = Object.keys(details.trials).map(Number);
  for (const place of document.querySelectorAll(".figure")) {
    const there = page.querySelector(`#${place.closest("section").id} .figure`);
    place.nextElementSibling.textContent = there.nextElementSibling.textContent;
    place.figure = place.written = null;
  }
  if (curvesPlace()) curvesPlace().figure = chosenCurves();
  takeTable(page.querySelector("#trials table"));
  selection.again();
  showSideBySide();
  if (!panel.hidden) fillPanel(Number(panel.dataset.trial));
}

if (details && seenState) setTimeout(look, 1000 * SECONDS_BETWEEN_LOOKS);
