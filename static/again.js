// Pages without numbers that run: asked for again every few seconds while somebody sees them.
import { isAsking } from "./dialogs.js";
import { morph } from "./morph.js";

const EVERY_MS = 5000, BEHIND_MS = 60000;
let failures = 0, leaving = false;

addEventListener("submit", event => { leaving = !event.defaultPrevented; }); // what is said then is for the next page

async function again() {
  const busy = leaving || document.hidden || isAsking() || !getSelection().isCollapsed;
  if (!busy) {
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      const main = document.getElementById("main");
      fresh.prepend(...[...main.querySelectorAll(":scope > .said")].map(said => said.cloneNode(true))); // what was done stays
      morph(main, document.adoptNode(fresh));
      failures = 0;
    } catch {
      failures += 1;
    }
  }
  setTimeout(again, Math.min(BEHIND_MS, EVERY_MS * 2 ** failures));
}

setTimeout(again, EVERY_MS);
