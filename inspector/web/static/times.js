// Shows times in the zone of the browser, with its name, and lets the user switch to UTC. The server sends each time in
// UTC: <time datetime="2026-01-31T12:00:00Z">. data-form is "minute" or "clock" for shorter forms of a time.
"use strict";

const STORED = "hookline.utc";
const zoneSwitch = document.querySelector("[data-zone-switch]");
const localZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

let utc = readChoice();

// A browser may forbid storage. Then the choice lasts as long as the page.
function readChoice() {
  try {
    return localStorage.getItem(STORED) === "yes";
  } catch {
    return false;
  }
}

function storeChoice() {
  try {
    localStorage.setItem(STORED, utc ? "yes" : "no");
  } catch {}
}

function partsOf(date) {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: utc ? "UTC" : localZone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  });
  const parts = Object.fromEntries(format.formatToParts(date).map((part) => [part.type, part.value]));
  return { ...parts, day: `${parts.year}-${parts.month}-${parts.day}`, clock: `${parts.hour}:${parts.minute}` };
}

function timeText(date, form) {
  const { day, clock, second, timeZoneName } = partsOf(date);
  if (form === "clock") return clock;
  return form === "minute" ? `${day} ${clock}` : `${day} ${clock}:${second} ${timeZoneName}`;
}

function showTimes() {
  for (const element of document.querySelectorAll("time[datetime]"))
    element.textContent = timeText(new Date(element.dateTime), element.dataset.form);
  const zone = partsOf(new Date()).timeZoneName;
  for (const element of document.querySelectorAll("[data-zone]")) element.textContent = zone;
  if (zoneSwitch) zoneSwitch.textContent = utc ? "Show local time" : "Show UTC";
}

// Inputs of forms hold UTC. They are shown in the chosen zone, and sent with their zone.
const zonedInputs = () => document.querySelectorAll("input[type=datetime-local]");

function instantOf(input) {
  return input.value ? new Date(utc ? `${input.value}Z` : input.value) : null;
}

function fillInput(input, date) {
  const { day, clock, second } = date ? partsOf(date) : {};
  input.value = date ? `${day}T${clock}:${second}` : "";
}

function switchZone() {
  const instants = Array.from(zonedInputs(), (input) => [input, instantOf(input)]);
  utc = !utc;
  storeChoice();
  for (const [input, date] of instants) fillInput(input, date);
  showTimes();
}

for (const input of zonedInputs()) fillInput(input, input.defaultValue ? new Date(`${input.defaultValue}Z`) : null);
document.addEventListener("formdata", (event) => {
  for (const input of event.target.querySelectorAll("input[type=datetime-local]"))
    if (input.value) event.formData.set(input.name, instantOf(input).toISOString().replace(".000Z", "Z"));
});
document.addEventListener("hookline:refreshed", showTimes);
if (zoneSwitch) {
  zoneSwitch.hidden = localZone === "UTC";
  zoneSwitch.addEventListener("click", switchZone);
}
showTimes();
