// How numbers and times look: as the server's own pages have them (jobserver/routes/shown.py).

export const number = value => Math.round(value).toLocaleString("en-US");

export const rate = value =>
  value == null ? "–" : value < 10 ? value.toFixed(1) : number(value);

// Percent with one decimal, so that the digits keep their places; whole ones at both ends.
export const percent = value => (value <= 0 || value >= 100 ? String(value) : value.toFixed(1));

const UNITS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];

export function duration(ms) {
  if (ms == null) return "–";
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  for (const [size, unit, smallerSize, smaller] of UNITS) {
    if (seconds >= size) {
      const rest = Math.floor((seconds % size) / smallerSize);
      return `${Math.floor(seconds / size)} ${unit}` + (rest ? ` ${rest} ${smaller}` : "");
    }
  }
  return `${seconds} s`;
}

// The time left, no finer than it can be known: it must not flicker.
export function rough(ms) {
  const steps = [[60e3, 1e3], [300e3, 5e3], [1200e3, 30e3], [7200e3, 60e3], [86400e3, 600e3], [Infinity, 3600e3]];
  const [, step] = steps.find(([below]) => ms < below);
  return duration(Math.max(1000, Math.round(ms / step) * step));
}

export function clock(ms) {
  const moment = new Date(ms);
  const two = value => String(value).padStart(2, "0");
  const hour = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
  if (moment.toDateString() === new Date().toDateString()) return hour;
  return `${moment.getDate()} ${moment.toLocaleString("en", { month: "short" })} ${hour}`;
}

// "ready 15:40 to 16:20"; one hour where both ends fall into one minute.
export function ready(least, most) {
  const from = clock(Date.now() + least), to = clock(Date.now() + most);
  return from === to ? ` ready ${from}` : ` ready ${from} to ${to}`;
}
