// Keyboard shortcuts: j and k move through the rows of a list, / goes to the search, ? shows the shortcuts, Esc leaves a
// field. A browser closes a dialog at Esc by itself. The user can turn the shortcuts off, which the browser remembers.
"use strict";

const KEYS_OFF = "hookline.keys.off";
const dialog = document.querySelector("#keys");
const keysButton = document.querySelector("[data-keys-open]");
const keysOn = document.querySelector("[data-keys-on]");

const rows = () => Array.from(document.querySelectorAll(".letters > li .letter-line > a, .group h2 a"));
const isField = (element) => element.matches("input:not([type=checkbox], [type=radio]), select, textarea");

function moveBy(step) {
  const links = rows();
  if (!links.length) return;
  const current = links.findIndex((link) => link.closest("li").contains(document.activeElement));
  const next = current < 0 ? (step > 0 ? 0 : links.length - 1) : current + step;
  links[Math.max(0, Math.min(links.length - 1, next))].focus();
}

function focusSearch() {
  const field = document.querySelector("#search, form[role=search] select, form[role=search] input:not([type=hidden])");
  field?.focus();
}

const actions = { j: () => moveBy(1), k: () => moveBy(-1), "/": focusSearch, "?": () => dialog.showModal() };

function atShortcut(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || dialog.open) return;
  if (isField(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (!keysOn.checked || !Object.hasOwn(actions, event.key)) return;
  event.preventDefault();
  actions[event.key]();
}

// A browser may forbid storage. Then the choice lasts as long as the page.
function storeKeys() {
  try {
    localStorage.setItem(KEYS_OFF, keysOn.checked ? "no" : "yes");
  } catch {}
}

if (dialog) {
  try {
    keysOn.checked = localStorage.getItem(KEYS_OFF) !== "yes";
  } catch {}
  keysOn.addEventListener("change", storeKeys);
  keysButton.hidden = false;
  keysButton.addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", atShortcut);
}
