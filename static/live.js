// Keeps a page current. htmx fetches the elements marked data-refresh; this module delays refreshes and shows the connection state.
import { isAsking } from "./dialogs.js";

const status = document.getElementById("status");
const WORDS = {
  live: ["live", "The server pushes changes within a second."],
  polling: ["polling", "This page asks the server for changes every few seconds."],
};
let failures = 0, since = "";

export function say(state, title = "") {
  if (state !== "lost") failures = 0;
  if (status.dataset.state === state) return;
  since = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  status.dataset.state = document.body.dataset.connection = state;
  status.className = `status ${state}`;
  [status.textContent, status.title] = WORDS[state]
    ?? [`connection lost since ${since}`, "The server does not respond. The page keeps trying; the numbers are the last known."];
  if (title) status.title = title;
}

if (document.getElementById("content")) say("polling");

export const isLive = () => status.dataset.state === "live";

// No refresh in a hidden tab, during a question, or while text is selected.
function isBusy(target) {
  const selection = getSelection();
  return document.hidden || isAsking() || (!selection.isCollapsed && target.contains(selection.anchorNode));
}

const isRefresh = event => event.detail.elt?.matches?.("[data-refresh]");

document.addEventListener("htmx:beforeRequest", event => {
  if (isRefresh(event) && isBusy(event.detail.elt)) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", event => {
  if (isRefresh(event) && isBusy(event.detail.elt)) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterRequest", event => {
  if (!isRefresh(event)) return;
  if (event.detail.successful) {
    if (!isLive()) say("polling");
  } else if (++failures > 1) say("lost");
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh("[data-refresh]");
});

export function refresh(selector) {
  for (const element of document.querySelectorAll(selector)) htmx.trigger(element, "refresh");
}

// The server renders times in its own time zone; convert them to the local one.
export function useLocalTime() {
  for (const time of document.querySelectorAll("time[data-ms]")) {
    const moment = new Date(Number(time.dataset.ms));
    const day = moment.toDateString() === new Date().toDateString() ? {} : { day: "numeric", month: "short" };
    time.textContent = moment.toLocaleString("en-GB", { ...day, hour: "2-digit", minute: "2-digit" });
  }
}
useLocalTime();
document.addEventListener("htmx:afterSwap", useLocalTime);

// Keep the input of the user, and the elements drawn by this page.
Object.assign(Idiomorph.defaults.callbacks, {
  beforeNodeMorphed: old => !old.matches?.("[data-keep]"),
  beforeAttributeUpdated: (name, element) => name !== "style" && !(["value", "checked"].includes(name)
    && element.matches("#content input:not([type=hidden]), #rows input:not([type=hidden])")),
});

// The section with the focus, or else the largest visible one, keeps its position when tables above it change.
let anchor = null, top = 0;
const sections = () => [...document.querySelectorAll("#rows section")];
const topOf = element => element.getBoundingClientRect().top;

function visible(section) {
  const { top: from, bottom } = section.getBoundingClientRect();
  return Math.min(bottom, innerHeight) - Math.max(from, 0);
}

document.addEventListener("htmx:beforeSwap", () => {
  const largest = sections().sort((first, second) => visible(second) - visible(first))[0];
  anchor = scrollY > 0 ? document.activeElement.closest("#rows section") ?? largest : null;
  if (anchor) top = topOf(anchor);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const section of sections().slice(0, -1)) section.style.minHeight = `${section.offsetHeight}px`; // so that a smaller table moves nothing
  if (anchor?.isConnected) scrollBy(0, topOf(anchor) - top);
});
