"use strict";
// What is known of each trial.
let details = JSON.parse(document.querySelector("#details")?.textContent ?? "null");
