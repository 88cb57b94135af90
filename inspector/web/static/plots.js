// Shows the value of a plot at the pointer, or at a place that the arrow keys choose. The values are those of the table
// below the plots, whose rows begin with the newest point.
"use strict";

// Place of the value that is shown: id of the cursor, and index of the point from the left.
let chosen = null;

const cursorOf = (event) => event.target.closest?.("[data-plot-cursor]");
const tableRows = () => Array.from(document.querySelectorAll("#as-table tbody tr")).reverse();

function showValue(cursor, index) {
  const rows = tableRows();
  const value = cursor.firstElementChild;
  if (!rows.length) return;
  const at = Math.max(0, Math.min(rows.length - 1, index));
  const column = Array.from(document.querySelectorAll("[data-plot-cursor]")).indexOf(cursor);
  const time = rows[at].querySelector("time").textContent;
  const rate = rows[at].querySelectorAll("td")[column].textContent;
  const text = document.createElement("b");
  text.textContent = `${time}: ${rate}`;
  value.replaceChildren(text);
  value.hidden = false;
  value.classList.toggle("left", at > rows.length / 2);
  value.style.left = `${rows.length > 1 ? (100 * at) / (rows.length - 1) : 0}%`;
  cursor.setAttribute("aria-valuemax", rows.length - 1);
  cursor.setAttribute("aria-valuenow", at);
  cursor.setAttribute("aria-valuetext", `${time}: ${rate} ${cursor.dataset.unit}`);
  chosen = { id: cursor.id, index: at };
}

function hideValue(cursor) {
  cursor.firstElementChild.hidden = true;
  chosen = null;
}

function prepare() {
  const last = tableRows().length - 1;
  for (const cursor of document.querySelectorAll("[data-plot-cursor]")) {
    cursor.hidden = last < 0;
    cursor.tabIndex = 0;
    cursor.setAttribute("role", "slider");
    cursor.setAttribute("aria-valuemin", 0);
    cursor.setAttribute("aria-valuemax", Math.max(last, 0));
    cursor.setAttribute("aria-valuenow", Math.max(last, 0));
    if (chosen?.id === cursor.id) showValue(cursor, chosen.index);
  }
}

function atPointer(event) {
  const cursor = cursorOf(event);
  if (!cursor) return;
  const box = cursor.getBoundingClientRect();
  showValue(cursor, Math.round(((event.clientX - box.left) / box.width) * (tableRows().length - 1)));
}

function atKey(event) {
  const cursor = cursorOf(event);
  if (!cursor) return;
  const last = tableRows().length - 1;
  const index = chosen?.id === cursor.id ? chosen.index : last;
  const places = { ArrowLeft: index - 1, ArrowDown: index - 1, ArrowRight: index + 1, ArrowUp: index + 1, Home: 0, End: last };
  if (!(event.key in places)) return;
  event.preventDefault();
  showValue(cursor, places[event.key]);
}

document.addEventListener("pointermove", atPointer);
document.addEventListener("pointerdown", atPointer);
document.addEventListener("pointerout", (event) => {
  const cursor = cursorOf(event);
  if (cursor && cursor !== document.activeElement) hideValue(cursor);
});
document.addEventListener("keydown", atKey);
document.addEventListener("focusin", (event) => {
  const cursor = cursorOf(event);
  if (cursor && chosen?.id !== cursor.id) showValue(cursor, tableRows().length - 1);
});
document.addEventListener("focusout", (event) => {
  const cursor = cursorOf(event);
  if (cursor?.isConnected) hideValue(cursor);
});
document.addEventListener("hookline:refreshed", prepare);
prepare();
