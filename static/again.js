// Pages that are tables alone: asked for again every few seconds while somebody sees them.
import { isAsking } from "./dialogs.js";
import { morph } from "./morph.js";

const EVERY_MS = 5000, BEHIND_MS = 60000;
let failures = 0;

async function again() {
  const busy = document.hidden || isAsking() || !getSelection().isCollapsed;
  if (!busy) {
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.status);
      const main = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      morph(document.getElementById("main"), document.adoptNode(main));
      failures = 0;
    } catch {
      failures += 1;
    }
  }
  setTimeout(again, Math.min(BEHIND_MS, EVERY_MS * 2 ** failures));
}

setTimeout(again, EVERY_MS);
