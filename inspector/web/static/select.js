// Selecting dead letters or notifications: select or deselect the whole page, show how many are selected, switch the
// scope to "Selected" as soon as one is, where there is a choice, and disable the actions while nothing is selected.
"use strict";

const selectAllButton = document.querySelector("[data-select-all]");
const selectedCount = document.querySelector("[data-selected-count]");
const noneSelected = document.querySelector("[data-none-selected]");
const scopes = document.querySelectorAll("input[name=scope]");
const selectedScope = document.querySelector("input[name=scope][value=ids]");
const boxes = Array.from(document.querySelectorAll(".letters input[type=checkbox]:enabled"));
const selected = () => boxes.filter((box) => box.checked).length;

function update() {
  const isEmpty = selected() === 0 && (!selectedScope || selectedScope.checked);
  selectedCount.textContent = ` (${selected()})`;
  selectAllButton.textContent = selected() === boxes.length ? "Deselect page" : "Select page";
  noneSelected.hidden = !isEmpty;
  document.querySelector("[data-some-selected]").hidden = isEmpty;
  for (const button of document.querySelectorAll(".bulk button[name=verb]")) button.disabled = isEmpty;
}

function selectScope() {
  if (selectedScope) selectedScope.checked = true;
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
  for (const scope of scopes) scope.addEventListener("change", update);
  window.addEventListener("pageshow", update);
  update();
}
