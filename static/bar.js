// The bar, cut into stages by share, and the key below it: as templates/bar.html draws them.
import { number } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const LEAST = 1; // percent: a stage with one job can be seen
const WORDS = { work: "working", done: "done", wait: "waiting" };

export const kind = (stage, last) => (stage % 2 ? "work" : stage >= last ? "done" : "wait");

// [{stage, x, width, late}] in percent of the bar's width.
export function segments(told) {
  const filled = Object.entries(told.stages).map(([stage, count]) => ({ stage: Number(stage), ...count }))
    .filter(one => one.jobs > 0).sort((one, other) => one.stage - other.stage);
  const wide = filled.map(one => Math.max(LEAST, (100 * one.jobs) / told.jobs));
  const whole = wide.reduce((sum, width) => sum + width, 0);
  let x = 0;
  return filled.map((one, at) => {
    const width = (100 * wide[at]) / whole;
    const placed = { ...one, x, width, late: (width * one.flagged) / one.jobs };
    x += width;
    return placed;
  });
}

function element(svg, name, key) {
  const found = svg.querySelector(`${name}[data-key="${key}"]`);
  if (found) return found;
  const made = document.createElementNS(SVG, name);
  made.dataset.key = key;
  if (name === "rect") {
    made.setAttribute("height", "100%");
    made.append(document.createElementNS(SVG, "title"));
  } else {
    made.setAttribute("y", "50%");
    made.setAttribute("aria-hidden", "true");
  }
  return made;
}

function place(one, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (one.getAttribute(name) !== String(value)) one.setAttribute(name, value);
  }
}

const percents = value => `${Math.round(value * 1000) / 1000}%`;

function segment(svg, one, last) {
  const rect = element(svg, "rect", one.stage);
  place(rect, { class: kind(one.stage, last), x: percents(one.x), width: percents(one.width) });
  rect.firstChild.textContent = `stage ${one.stage}: ${number(one.jobs)}`;
  const parts = [rect];
  if (one.late > 0) {
    const late = element(svg, "rect", `${one.stage} late`);
    place(late, { class: "late", x: percents(one.x + one.width - one.late), width: percents(one.late) });
    late.firstChild.textContent = `stage ${one.stage}: ${number(one.flagged)} expired or failed`;
    parts.push(late);
  }
  const clear = one.width - one.late; // what is not hatched
  if (clear >= 7) {
    const text = element(svg, "text", `${one.stage} text`);
    place(text, { x: percents(one.x + clear / 2),
      class: `${kind(one.stage, last)}${clear < 22 ? " narrow" : ""}` });
    text.textContent = number(one.jobs);
    parts.push(text);
  }
  return parts;
}

function drawKey(list, told) {
  const stages = Object.entries(told.stages).sort(([one], [other]) => one - other);
  while (list.children.length > stages.length) list.lastElementChild.remove();
  stages.forEach(([stage, count], at) => {
    const which = kind(Number(stage), told.last_stage);
    let item = list.children[at];
    if (!item) {
      item = document.createElement("li");
      item.append("", document.createElement("b"), document.createElement("span"));
      item.lastElementChild.className = "late";
      list.append(item);
    }
    const late = count.flagged ? `${number(count.flagged)} expired or failed` : "";
    if (item.className !== which) item.className = which;
    const texts = [`${stage} ${WORDS[which]}`, number(count.jobs), late];
    texts.forEach((text, part) => {
      if (item.childNodes[part].textContent !== text) item.childNodes[part].textContent = text;
    });
  });
}

export function drawBar(svg, key, told) {
  const parts = segments(told).flatMap(one => segment(svg, one, told.last_stage));
  for (const old of svg.querySelectorAll("[data-key]")) if (!parts.includes(old)) old.remove();
  // what is hatched lies above what it is part of, and what is written above all
  const layer = part => (part.nodeName === "text" ? 2 : part.matches(".late") ? 1 : 0);
  const order = parts.sort((one, other) => layer(one) - layer(other));
  if (order.some((part, at) => svg.children[at + 1] !== part)) svg.append(...order);
  svg.setAttribute("aria-label", `${told.percent} percent done`);
  drawKey(key, told);
}
