// Ticking dead letters: all of a page at once, how many are ticked, and who ticks one means the ticked ones.
"use strict";

const all = document.querySelector("[data-pick-all]");
const said = document.querySelector("[data-picked]");
const boxes = Array.from(document.querySelectorAll(".letters input[type=checkbox]"));
const ticked = () => boxes.filter((box) => box.checked).length;

function tell() {
  said.textContent = ` (${ticked()})`;
  all.textContent = ticked() === boxes.length ? "Tick none" : "Tick this page";
}

if (all) {
  all.hidden = false;
  all.addEventListener("click", () => {
    const on = ticked() < boxes.length;
    for (const box of boxes) box.checked = on;
    document.querySelector("input[name=scope][value=ids]").checked = true;
    tell();
  });
  for (const box of boxes) {
    box.addEventListener("change", () => {
      document.querySelector("input[name=scope][value=ids]").checked = true;
      tell();
    });
  }
  window.addEventListener("pageshow", tell);
}
