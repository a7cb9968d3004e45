"use strict";
// What is known of each trial.
const details = JSON.parse(document.querySelector("#details")?.textContent ?? "null");
