// The percentage in the browser tab: its title, and a ring as its icon.

let shown = "";

function ring(share, late) {
  const round = 2 * Math.PI * 12;
  const colour = late ? "#c8641b" : share >= 1 ? "#2c8a57" : "#3f7ff0";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g fill="none" stroke-width="7">`
    + `<circle cx="16" cy="16" r="12" stroke="#9aa4b2" stroke-opacity=".45"/>`
    + `<circle cx="16" cy="16" r="12" stroke="${colour}" transform="rotate(-90 16 16)"`
    + ` stroke-dasharray="${(share * round).toFixed(2)} ${round.toFixed(2)}"/></g></svg>`;
}

// summary: the data attributes of #summary.
export function showInTab(list, summary) {
  if (summary.state === "empty") return;
  const percent = Math.floor(Number(summary.percent));
  const title = `${summary.state === "paused" ? "⏸ " : ""}${percent} % · ${list}`;
  if (document.title !== title) document.title = title;
  const icon = ring(percent / 100, summary.late === "yes");
  if (icon === shown) return;
  shown = icon;
  // a new element: some browsers ignore changes of the old one
  const link = Object.assign(document.createElement("link"), {
    rel: "icon", type: "image/svg+xml", href: `data:image/svg+xml,${encodeURIComponent(icon)}`,
  });
  document.querySelectorAll('link[rel="icon"]').forEach(old => old.remove());
  document.head.append(link);
}
