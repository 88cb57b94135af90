// Refreshes the changing part of a page every few seconds while the page is visible.
// The page names the address and the interval in seconds: <div data-live="/?live=1" data-every="5">. The last refresh
// contains <p data-live-over>.
"use strict";

const part = document.querySelector("[data-live]");
const note = document.querySelector("[data-live-note]");
const button = document.querySelector("[data-live-pause]");

let timer = 0;
let paused = false;
let pending = null;

const over = () => part.querySelector("[data-live-over]") !== null;

function setStatus(text) {
  if (note && note.textContent !== text) note.textContent = text;
}

function scheduleRefresh() {
  clearTimeout(timer);
  if (!paused && !over() && !document.hidden) timer = setTimeout(refresh, 1000 * Number(part.dataset.every));
}

async function refresh() {
  clearTimeout(timer);
  if (pending) return;
  pending = new AbortController();
  const timeout = setTimeout(() => pending.abort(), 15000);
  try {
    const response = await fetch(part.dataset.live, { redirect: "manual", cache: "no-store", signal: pending.signal });
    if (response.status === 401 || response.type === "opaqueredirect") return location.reload();
    if (response.ok && !paused) replace(await response.text());
    setStatus(
      response.ok
        ? paused
          ? "Paused"
          : over()
            ? ""
            : "Live"
        : response.status === 503
          ? "Redis is unavailable"
          : "Refresh failed",
    );
  } catch {
    setStatus("The inspector does not respond");
  } finally {
    clearTimeout(timeout);
    pending = null;
  }
  scheduleRefresh();
}

// Open details stay open, scroll positions stay, and the focused element keeps the focus.
function replace(html) {
  const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
  const open = Array.from(part.querySelectorAll("details[open][id]"), (details) => details.id);
  const positions = Array.from(part.querySelectorAll(".scroll"), (box) => [box.scrollLeft, box.scrollTop]);
  const fresh = new DOMParser().parseFromString(html, "text/html");
  part.replaceChildren(...fresh.body.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.querySelectorAll(".scroll").forEach((box, index) => {
    if (positions[index]) [box.scrollLeft, box.scrollTop] = positions[index];
  });
  document.dispatchEvent(new Event("hookline:refreshed"));
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

function togglePause() {
  paused = !paused;
  button.textContent = paused ? "Resume" : "Pause";
  setStatus(paused ? "Paused" : "Live");
  if (paused) clearTimeout(timer);
  else refresh();
}

if (part) {
  setStatus("Live");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", togglePause);
  }
  document.addEventListener("visibilitychange", () =>
    document.hidden || paused || over() ? clearTimeout(timer) : refresh(),
  );
  scheduleRefresh();
}
