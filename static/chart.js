// Throughput over time, stacked by stage, drawn by uPlot.
import { palette, stripes } from "./colours.js";

const EVERY_MS = { "15min": 10e3, hour: 20e3, day: 120e3, all: 120e3 };
const WORDS = { "15min": "15 minutes", hour: "hour", day: "day", all: "whole time" };
const number = value => Math.round(value).toLocaleString("en-US");
const rate = value => (value < 10 ? value.toFixed(1) : number(value));
const HEIGHT = 190, HALF_A_LABEL = 28; // px; half of the last label of the time axis is beyond its end
const FEWEST = 18; // slots

function library(address) {
  return new Promise((done, failed) => {
    const script = Object.assign(document.createElement("script"), { src: address, onerror: failed });
    script.onload = () => done(window.uPlot);
    document.head.append(script);
  });
}

// Jobs per minute, by stage. The rate of the current slot uses its elapsed time.
function perMinute(data) {
  const now = Date.now(), { step_ms: step } = data;
  const minutes = data.starts.map(start => Math.min(step, Math.max(1, now - start)) / 60e3);
  let length = data.starts.length;
  const stages = Object.keys(data.stages).map(Number).sort((first, second) => first - second);
  const begun = Math.min(...stages.map(stage => data.stages[stage].findIndex(jobs => jobs > 0)).filter(at => at >= 0));
  if (begun < length - 1 && minutes.at(-1) * 60e3 < step / 2) length -= 1; // too short for a rate
  const from = Math.max(0, Math.min(begun - 1, length - FEWEST)); // omit the time before the first job of the list
  const times = data.starts.slice(from, length).map(start => start / 1000);
  const rates = stages.map(stage => data.stages[stage].slice(from, length).map((jobs, at) => jobs / minutes[from + at]));
  return { times, stages, rates, step };
}

// The text of a tick of the time axis; `step`: seconds between two ticks.
function moment(seconds, step) {
  const time = new Date(seconds * 1000);
  if (step >= 86400) return time.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return time.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...(step < 60 ? { second: "2-digit" } : {}) });
}

// uPlot draws the last series on top, so the highest sum is the first series, and the lowest stage the last.
function stacked({ times, rates }) {
  const sums = [];
  rates.forEach((series, at) => sums.push(series.map((value, slot) => value + (at ? sums[at - 1][slot] : 0))));
  return [times, ...sums.reverse().map(series => series.map(sum => sum || null))];
}

export function startChart(list, address) {
  const place = document.getElementById("chart");
  const buttons = [...document.querySelectorAll("#spans [data-span]")];
  let UPlot = null, plot = null, shape = "", span = "hour", last = 0, timer = 0, data = null, chosen = false, etag = null;

  const legend = document.createElement("p");
  legend.className = "legend";

  function describe(slot = null) {
    const { stages, rates, times } = data;
    const colours = palette(place, stages.length);
    const idle = Math.max(0, times.findIndex((_, at) => rates.some(values => values[at] > 0))); // before the first job
    legend.replaceChildren(...stages.map((stage, at) => {
      const item = document.createElement("span");
      const mark = document.createElement("i");
      mark.style.background = colours[at];
      const values = rates[at];
      const value = slot === null ? values.reduce((sum, rateOfSlot) => sum + rateOfSlot, 0) / Math.max(1, values.length - idle) : values[slot];
      item.append(mark, `stage ${stage}: `, Object.assign(document.createElement("b"), { textContent: `${rate(value)}/min` }));
      return item;
    }), slot === null ? "(average)" : `at ${moment(times[slot], data.step / 1000)}`);
  }

  // Returns whether bars are so thin that their outline would cover them.
  const isThin = () => place.clientWidth / data.times.length < 6;

  function options() {
    const colours = palette(place, data.stages.length).reverse();
    const [ink, line, card] = ["--soft", "--line", "--card"].map(name => palette.named(place, name));
    const font = "12px system-ui, sans-serif";
    const axis = { stroke: ink, font, ticks: { show: false }, grid: { stroke: line, width: 1 } };
    const bars = UPlot.paths.bars({ size: [0.86, 40], align: 1 });
    return {
      width: place.clientWidth, height: HEIGHT, padding: [10, HALF_A_LABEL, 0, 0], legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { setScale: false } },
      scales: { x: { range: (_, from, to) => [from, to + data.step / 1000] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.08)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 30, space: 64, values: (_, marks, __, ___, step) => marks.map(mark => moment(mark, step)) },
        { ...axis, size: 52, space: 36, values: (_, marks) => marks.map(mark => (mark < 1 && mark > 0 ? mark.toFixed(1) : number(mark))) },
      ],
      series: [{}, ...colours.map((colour, at) => ({
        paths: bars, ...(isThin() ? { width: 0 } : { stroke: card, width: 1 }), points: { show: false },
        fill: at % 2 === data.stages.length % 2 ? stripes(colour, card) : colour,
      }))],
      hooks: { setCursor: [self => describe(self.cursor.idx ?? null)] },
    };
  }

  function draw() {
    if (!data.stages.length) {
      plot?.destroy();
      [plot, shape] = [null, ""];
      place.replaceChildren(Object.assign(document.createElement("p"),
        { className: "soft", textContent: span === "all" ? "No job has completed a stage yet." : `No job completed a stage in the last ${WORDS[span]}.` }));
      return;
    }
    const wanted = `${data.stages.join()} ${isThin()}`;
    if (plot && shape === wanted) plot.setData(stacked(data));
    else {
      plot?.destroy();
      place.replaceChildren();
      plot = new UPlot(options(), stacked(data), place);
      plot.root.setAttribute("aria-hidden", "true");
      place.append(legend);
      shape = wanted;
    }
    describe();
  }

  async function load() {
    timer = 0;
    last = performance.now();
    const requested = span;
    try {
      const response = await fetch(`chart?list=${encodeURIComponent(list)}&span=${span}`,
        { cache: "no-store", headers: etag ? { "If-None-Match": etag } : {} });
      if (!response.ok || requested !== span) return;
      const json = await response.json();
      etag = response.headers.get("ETag");
      if (requested !== span) return;
      data = perMinute(json);
      const slots = data.times.filter((_, slot) => data.rates.some(values => values[slot] > 0)).length;
      if (!chosen && slots < 12) choose("15min"); // a list with few data
      else draw();
      chosen = true;
    } catch { /* the next change tries again */ }
  }

  function choose(name) {
    [span, etag, chosen] = [name, null, true];
    buttons.forEach(button => button.setAttribute("aria-pressed", String(button.dataset.span === span)));
    clearTimeout(timer);
    load();
  }

  function changed() {
    if (timer || !UPlot) return;
    const every = plot ? EVERY_MS[span] : 1000; // load the first bar at once
    timer = setTimeout(() => (document.hidden ? (timer = 0) : load()), Math.max(500, every - (performance.now() - last)));
  }

  async function start() {
    UPlot = await library(address);
    document.getElementById("spans").hidden = false;
    buttons.forEach(button => {
      button.setAttribute("aria-pressed", String(button.dataset.span === span));
      button.addEventListener("click", () => choose(button.dataset.span));
    });
    new ResizeObserver(() => plot && plot.width !== place.clientWidth && plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { shape = ""; if (data) draw(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) changed(); });
    setInterval(() => { if (!document.hidden) changed(); }, 30e3); // the time axis moves, even if no job finishes
    load();
  }

  if (address) {
    place.replaceChildren();
    start().catch(() => { place.textContent = "uPlot could not be loaded. Run make setup on the server."; });
  }
  return { changed };
}
