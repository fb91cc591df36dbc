// The percent in the tab: its title, and a ring as its icon.

let shown = "";

function ring(share, trouble) {
  const round = 2 * Math.PI * 12;
  const colour = trouble ? "#c8641b" : share >= 1 ? "#2c8a57" : "#3f7ff0";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g fill="none" stroke-width="7">`
    + `<circle cx="16" cy="16" r="12" stroke="#9aa4b2" stroke-opacity=".45"/>`
    + `<circle cx="16" cy="16" r="12" stroke="${colour}" transform="rotate(-90 16 16)"`
    + ` stroke-dasharray="${(share * round).toFixed(2)} ${round.toFixed(2)}"/></g></svg>`;
}

export function showInTab(told) {
  const title = `${Math.floor(told.percent)} % · ${told.list}`;
  if (document.title !== title) document.title = title;
  const icon = ring(Math.floor(told.percent) / 100, told.flagged > 0);
  if (icon === shown) return;
  shown = icon;
  // a new element: some browsers don't look again at one that they know
  const link = Object.assign(document.createElement("link"), {
    rel: "icon", type: "image/svg+xml", href: `data:image/svg+xml,${encodeURIComponent(icon)}`,
  });
  document.querySelectorAll('link[rel="icon"]').forEach(old => old.remove());
  document.head.append(link);
}
