// Keeps the changing part of a page new: fetches it anew every few seconds, and not while nobody sees it.
// A page says what and how often: <div data-live="/?live=1" data-every="5">. What comes may say that it was the last:
// <p data-live-over>.
"use strict";

const part = document.querySelector("[data-live]");
const note = document.querySelector("[data-live-note]");
const button = document.querySelector("[data-live-pause]");

let timer = 0;
let paused = false;
let asking = null;

const over = () => part.querySelector("[data-live-over]") !== null;

function say(text) {
  if (note && note.textContent !== text) note.textContent = text;
}

function plan() {
  clearTimeout(timer);
  if (!paused && !over() && !document.hidden) timer = setTimeout(look, 1000 * Number(part.dataset.every));
}

async function look() {
  clearTimeout(timer);
  if (asking) return;
  asking = new AbortController();
  const end = setTimeout(() => asking.abort(), 15000);
  try {
    const answer = await fetch(part.dataset.live, { redirect: "manual", cache: "no-store", signal: asking.signal });
    if (answer.status === 401 || answer.type === "opaqueredirect") return location.reload();
    if (answer.ok && !paused) show(await answer.text());
    say(answer.ok ? (paused ? "Paused" : over() ? "" : "Live") : answer.status === 503 ? "Redis is away" : "Not refreshed");
  } catch {
    say("The inspector does not answer");
  } finally {
    clearTimeout(end);
    asking = null;
  }
  plan();
}

// What a person opened stays open, and what has the focus keeps it.
function show(html) {
  const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
  const open = Array.from(part.querySelectorAll("details[open][id]"), (found) => found.id);
  const scrolled = Array.from(part.querySelectorAll(".scroll"), (found) => [found.scrollLeft, found.scrollTop]);
  const fresh = new DOMParser().parseFromString(html, "text/html");
  part.replaceChildren(...fresh.body.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.querySelectorAll(".scroll").forEach((found, index) => {
    if (scrolled[index]) [found.scrollLeft, found.scrollTop] = scrolled[index];
  });
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

function turn() {
  paused = !paused;
  button.textContent = paused ? "Go on" : "Pause";
  say(paused ? "Paused" : "Live");
  if (paused) clearTimeout(timer);
  else look();
}

if (part) {
  say("Live");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", turn);
  }
  document.addEventListener("visibilitychange", () => (document.hidden || paused || over() ? clearTimeout(timer) : look()));
  plan();
}
