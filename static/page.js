// The progress page of a list: its connection, chart and tab. The server renders the numbers and the tables.
import { connect } from "./connection.js";
import { startChart } from "./chart.js";
import { isLive, refresh, useLocalTime } from "./live.js";
import { showInTab } from "./tab.js";

const { list, uplot } = document.body.dataset;
const ROWS_EVERY_MS = 2000;
const summary = () => document.getElementById("summary");
let { version, state } = summary().dataset;
let chart = null, timer = 0, last = performance.now();

// The tables follow the summary, at most every two seconds.
function refreshRows() {
  timer ||= setTimeout(() => {
    [timer, last] = [0, performance.now()];
    refresh("#rows");
  }, Math.max(0, last + ROWS_EVERY_MS - performance.now()));
}

function changed() {
  const now = summary().dataset;
  if ((now.state === "empty") !== (state === "empty")) location.reload();
  if (now.version !== version) {
    refreshRows();
    chart?.changed();
  }
  ({ version, state } = now);
  showInTab(list, now);
}

document.addEventListener("htmx:beforeRequest", event => {
  if (event.detail.elt === summary() && isLive()) event.preventDefault(); // the server pushes it
});
document.addEventListener("htmx:afterSwap", event => {
  if (event.detail.target?.id === "summary") changed();
});

// Show the error of a refused filter; htmx shows no errors itself.
const complaint = () => document.getElementById("complaint");
document.addEventListener("htmx:responseError", event => {
  if (event.detail.elt.matches("[data-refresh]") || !complaint()) return;
  let message = `The server responded with status ${event.detail.xhr.status}.`;
  try { ({ message } = JSON.parse(event.detail.xhr.responseText)); } catch { /* no JSON */ }
  complaint().textContent = message;
  complaint().hidden = false;
});
document.addEventListener("htmx:configRequest", event => { // empty fields of the filter are not in the address
  const { parameters } = event.detail;
  for (const name of Object.keys(parameters)) if (parameters[name] === "") delete parameters[name];
});

if (state !== "empty") chart = startChart(list, uplot);
connect(document.body.dataset, html => {
  Idiomorph.morph(summary(), html, { morphStyle: "outerHTML" });
  useLocalTime();
  changed();
});
showInTab(list, summary().dataset);
