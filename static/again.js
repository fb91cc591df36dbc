// Pages without numbers that run: asked for again every few seconds while somebody sees them.
import { isAsking } from "./dialogs.js";
import { morph } from "./morph.js";

const EVERY_MS = 5000, BEHIND_MS = 60000;
let failures = 0, leaving = 0;

// What is said after a form is for the next page, which may also never come.
addEventListener("submit", event => { if (!event.defaultPrevented) leaving = performance.now() + 10000; });
addEventListener("pageshow", () => { leaving = 0; });

const busy = () => performance.now() < leaving || document.hidden || isAsking() || !getSelection().isCollapsed;

async function again() {
  if (!busy()) {
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      const main = document.getElementById("main");
      fresh.prepend(...[...main.querySelectorAll(":scope > .said")].map(said => said.cloneNode(true))); // what was done stays
      if (!busy()) morph(main, document.adoptNode(fresh)); // a question that was asked meanwhile is about what is there
      failures = 0;
    } catch {
      failures += 1;
    }
  }
  setTimeout(again, Math.min(BEHIND_MS, EVERY_MS * 2 ** failures));
}

setTimeout(again, EVERY_MS);
