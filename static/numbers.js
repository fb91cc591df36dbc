// The numbers of the page, from what the server told: text only, in elements that are there already.
import { duration, number, percent, rate, ready, rough } from "./format.js";
import { drawBar } from "./bar.js";
import { showInTab } from "./tab.js";

const byId = id => document.getElementById(id);

function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

function part(name, value, late = false) {
  const element = document.querySelector(`[data-n="${name}"]`);
  write(element, value);
  element?.classList.toggle("late", late);
}

function showLeft(told) {
  const place = byId("left");
  const range = told.left_ms;
  place.classList.toggle("late", told.stalled && !told.paused);
  let text = "–", hour = "";
  if (told.paused) text = "paused";
  else if (told.done === told.jobs) text = "all done";
  else if (told.stalled) text = "stalled";
  else if (range) {
    const [least, most] = range.map(rough);
    text = least === most ? least : `${least} to ${most}`;
    hour = ready(...range);
  }
  write(place.querySelector("span"), text);
  write(place.querySelector("small"), hour);
}

function showPaces(paces) {
  const body = byId("paces").querySelector("tbody");
  byId("paces").querySelector("table").hidden = !paces.length;
  byId("paces").querySelector("p").hidden = paces.length > 0;
  while (body.rows.length > paces.length) body.lastElementChild.remove();
  paces.forEach((pace, at) => {
    const row = body.rows[at] ?? body.insertRow();
    const late = pace.lifetime_ms > 0 && pace.most_ms > 0.9 * pace.lifetime_ms;
    const texts = [String(pace.stage), duration(pace.median_ms), duration(pace.most_ms),
      pace.lifetime_ms ? duration(pace.lifetime_ms) : "for ever"];
    texts.forEach((text, column) => {
      const cell = row.cells[column] ?? row.insertCell();
      cell.className = (column ? "number" : "") + (late && column === 3 ? " late" : "");
      write(cell, text);
    });
  });
}

export function show(told) {
  const expired = told.flagged - told.failed;
  part("percent", percent(told.percent));
  for (const name of ["done", "jobs", "workers", "available", "working"]) part(name, number(told[name]));
  part("expired", number(expired), expired > 0);
  part("failed", number(told.failed), told.failed > 0);
  showLeft(told);
  write(byId("rate"), rate(told.rate.now));
  write(byId("average"), rate(told.rate.average));
  byId("average").parentElement.hidden = told.rate.average == null;
  for (const button of document.querySelectorAll("[data-when]")) {
    button.hidden = (button.dataset.when === "paused") !== Boolean(told.paused);
  }
  drawBar(byId("bar").querySelector("svg"), byId("key"), told);
  showPaces(told.paces);
  showInTab(told);
}
