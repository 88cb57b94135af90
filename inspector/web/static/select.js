// Selecting dead letters: select or deselect the whole page, show how many are selected, and switch the scope to
// "Selected" as soon as one is.
"use strict";

const selectAllButton = document.querySelector("[data-select-all]");
const selectedCount = document.querySelector("[data-selected-count]");
const boxes = Array.from(document.querySelectorAll(".letters input[type=checkbox]"));
const selected = () => boxes.filter((box) => box.checked).length;

function update() {
  selectedCount.textContent = ` (${selected()})`;
  selectAllButton.textContent = selected() === boxes.length ? "Deselect page" : "Select page";
}

function selectScope() {
  document.querySelector("input[name=scope][value=ids]").checked = true;
}

if (selectAllButton) {
  selectAllButton.hidden = false;
  selectAllButton.addEventListener("click", () => {
    const check = selected() < boxes.length;
    for (const box of boxes) box.checked = check;
    selectScope();
    update();
  });
  for (const box of boxes) {
    box.addEventListener("change", () => {
      selectScope();
      update();
    });
  }
  window.addEventListener("pageshow", update);
}
