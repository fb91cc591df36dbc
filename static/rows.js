// The tables: fetched again when something changed, for the filter that stands in the address.
import { isAsking } from "./dialogs.js";
import { duration } from "./format.js";
import { morph } from "./morph.js";

const EVERY_MS = 2000, RETRY_MS = 4000;

export function startRows(list) {
  const place = document.getElementById("rows");
  const filter = document.getElementById("filter");
  const whole = document.getElementById("unfiltered");
  let etag = null, last = performance.now(), timer = 0, wanted = false, newest = 0, shownAt = performance.now();

  const busy = () => document.hidden || isAsking() || (!getSelection().isCollapsed && place.contains(getSelection().anchorNode));

  async function load(moved = false) {
    const turn = ++newest;
    last = performance.now();
    wanted = false;
    const headers = etag && !moved ? { "If-None-Match": etag } : {};
    let answer, text;
    try {
      answer = await fetch(`rows${location.search}`, { cache: "no-store", headers });
      text = answer.status === 304 ? null : await answer.text();
    } catch {
      answer = null;
    }
    if (turn !== newest) return;
    if (!moved && busy()) { // since it was asked for
      wanted = true;
      timer ||= setTimeout(look, 500);
      return;
    }
    if (!answer || answer.status >= 500) {
      wanted = true; // what is shown stays, and is asked for again
      timer ||= setTimeout(look, RETRY_MS);
    } else if (text === null) return;
    else if (answer.ok) replace(text, answer.headers.get("ETag"));
    else complain(text, answer.status);
  }

  function replace(html, tag) {
    etag = tag;
    const anchor = [...place.querySelectorAll("tr[data-key]")].find(row => row.getBoundingClientRect().top > 0);
    const before = anchor?.getBoundingClientRect().top;
    const fresh = document.createElement("div");
    fresh.innerHTML = html;
    morph(place, fresh);
    shownAt = performance.now();
    const after = anchor?.isConnected ? anchor.getBoundingClientRect().top : before;
    if (scrollY > 0 && after !== before) scrollBy(0, after - before);
  }

  function complain(text, status) {
    let message = `The server answered ${status}.`;
    try { message = JSON.parse(text).message; } catch { /* not from our server */ }
    const said = Object.assign(document.createElement("p"), { className: "said bad", textContent: message });
    said.setAttribute("role", "alert");
    place.replaceChildren(said);
    etag = null;
  }

  function changed() {
    wanted = true;
    if (timer || document.hidden) return;
    timer = setTimeout(look, Math.max(0, EVERY_MS - (performance.now() - last)));
  }

  function look() {
    timer = 0;
    if (!wanted) return;
    if (busy()) timer = setTimeout(look, 500);
    else load();
  }

  function fill() {
    const here = new URLSearchParams(location.search);
    for (const field of filter.elements) if (field.name && field.name !== "list") field.value = here.get(field.name) ?? "";
    whole.hidden = !["state", "stage", "worker", "job", "q"].some(name => here.get(name));
  }

  async function go(search, keepPlace) {
    history.pushState(null, "", `${location.pathname}${search}`);
    fill();
    place.setAttribute("aria-busy", "true");
    await load(true);
    place.removeAttribute("aria-busy");
    if (!keepPlace) document.getElementById("all")?.scrollIntoView({ block: "nearest" });
  }

  filter.addEventListener("submit", event => {
    event.preventDefault();
    const chosen = [...new FormData(filter)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
    const sorted = new URLSearchParams(location.search);
    for (const name of ["sort", "down"]) if (sorted.get(name)) chosen.push([name, sorted.get(name)]);
    go(`?${new URLSearchParams(chosen)}`, true);
  });

  document.addEventListener("click", event => {
    const link = event.target.closest?.("#rows a, #unfiltered");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const to = new URL(link.href);
    if (to.pathname !== location.pathname || to.searchParams.get("list") !== list) return;
    event.preventDefault();
    go(to.search, Boolean(link.closest("th")) || link === whole);
  });

  addEventListener("popstate", () => { fill(); load(true); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && wanted) changed(); });
  setInterval(() => { if (!busy()) age(place, performance.now() - shownAt); }, 1000);
  fill();
  return { changed };
}

// Ages and what is left of lifetimes go on by themselves.
function age(place, passed) {
  for (const cell of place.querySelectorAll("[data-age]")) {
    const ms = Number(cell.dataset.age) + passed;
    const text = duration(ms < 600e3 ? ms : Math.floor(ms / 60e3) * 60e3); // from ten minutes on, without seconds
    if (cell.textContent !== text) cell.textContent = text;
  }
  for (const left of place.querySelectorAll("[data-left]")) {
    const rest = Number(left.dataset.left) - passed;
    left.textContent = `${duration(Math.max(0, rest))} left`;
    const svg = left.previousElementSibling;
    const used = Math.min(100, Math.max(0, 100 * (1 - rest / Number(svg.dataset.whole))));
    const bar = svg.lastElementChild;
    bar.setAttribute("width", used.toFixed(1));
    bar.setAttribute("class", used >= 80 ? "over" : "used");
    svg.setAttribute("aria-label", `${Math.round(used)} percent of its lifetime used`);
  }
}
