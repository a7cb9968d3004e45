"use strict";
// Buttons that copy a command.
async function copy(button) {
  try { await navigator.clipboard.writeText(button.dataset.copy); } catch {
    const area = document.createElement("textarea");
    area.value = button.dataset.copy;
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 2000);
}
document.addEventListener("click", event => { if (event.target.matches(".copy")) copy(event.target); });
