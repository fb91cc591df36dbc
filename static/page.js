// The live page of a list. Its parts: connection (what the server tells), numbers, chart, rows.
import { connect } from "./connection.js";
import { startChart } from "./chart.js";
import { show } from "./numbers.js";
import { startRows } from "./rows.js";

const { list, sockets, socket, uplot } = document.body.dataset;
const status = document.getElementById("status");
const WORDS = {
  live: ["live", "What is shown is at most a second old."],
  polling: ["polling", sockets !== "yes" ? "This server can't hold connections: the page asks every two seconds."
    : socket ? "The live connection is interrupted or blocked: the page asks every two seconds, and tries again."
      : "socket.io-client was not installed (make setup): the page asks every two seconds."],
  lost: ["connection lost", "The server doesn't answer. The page goes on trying; the numbers are the last known."],
};

function say(state) {
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  status.className = `status ${state}`;
  [status.textContent, status.title] = WORDS[state];
}

// What the tables show depends on these; the rest moves with the clock alone.
const counted = told => JSON.stringify([told.stages, told.paused, told.paces.map(pace => pace.lifetime_ms)]);

if (document.querySelector(".hero")) {
  const rows = startRows(list);
  const chart = startChart(list, uplot);
  let before = "";
  connect({ list, socket }, say, told => {
    show(told);
    const now = counted(told);
    if (now === before) return;
    before = now;
    rows.changed();
    chart.changed();
  });
} else if (list) {
  // no jobs yet: the page is another one when there are some
  connect({ list, socket }, say, told => { if (told.jobs) location.reload(); });
}
