// What the server tells of a list: by Socket.IO; else by asking, until that works again.

const ASK_MS = 2000, ASK_BEHIND_MS = 10000, LONGEST_MS = 15000;

// A JSON merge patch (RFC 7386): the server sends only what changed.
export function merge(known, change) {
  const merged = { ...known };
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete merged[name];
    else if (typeof value === "object" && !Array.isArray(value)) merged[name] = merge(known[name] ?? {}, value);
    else merged[name] = value;
  }
  return merged;
}

// Asks again and again while it is running, slower when nobody answers.
class Asking {
  constructor(list, say, tell) {
    Object.assign(this, { list, say, tell, etag: null, failures: 0, timer: 0, running: false });
  }

  start(afterMs = 0) {
    if (this.running) return;
    this.running = true;
    this.later(afterMs);
  }

  stop() {
    this.running = false;
    this.failures = 0;
    clearTimeout(this.timer);
  }

  later(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), ms);
  }

  async ask() {
    try {
      const answer = await fetch(`live?list=${encodeURIComponent(this.list)}`, {
        cache: "no-store", headers: this.etag ? { "If-None-Match": this.etag } : {},
        signal: AbortSignal.timeout(10000),
      });
      if (answer.status !== 304 && !answer.ok) throw new Error(answer.status);
      const told = answer.status === 304 ? null : await answer.json();
      if (!this.running) return; // Socket.IO came back meanwhile, and knows better
      this.etag = answer.headers.get("ETag");
      this.failures = 0;
      this.say("polling");
      if (told) this.tell(told);
    } catch {
      if (!this.running) return;
      this.failures += 1;
      if (this.failures > 1) this.say("lost");
    }
    const slower = Math.min(LONGEST_MS, 500 * 2 ** this.failures) * (0.8 + 0.4 * Math.random());
    this.later(this.failures ? slower : document.hidden ? ASK_BEHIND_MS : ASK_MS);
  }

  hurry() {
    if (this.running) this.later(0);
  }
}

// say(state): "live", "polling" or "lost". tell(numbers): all of them, whenever something changed.
export async function connect({ list, socket: library }, say, tell) {
  const asking = new Asking(list, say, tell);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) asking.hurry(); });
  addEventListener("online", () => asking.hurry());
  const io = library ? await import(library).then(module => module.io, () => null) : null;
  if (!io) {
    asking.start();
    return;
  }
  asking.start(1500); // unless the server has told something by then
  let known = null;
  const socket = io({ transports: ["websocket"], reconnectionDelay: 500, reconnectionDelayMax: 8000, timeout: 8000 });
  const look = () => socket.emit("look", { list, behind: document.hidden });
  const told = numbers => {
    known = numbers;
    asking.stop();
    asking.etag = null;
    say("live");
    tell(known);
  };
  socket.on("connect", look);
  socket.on("whole", told);
  socket.on("change", change => { if (known) told(merge(known, change)); });
  socket.on("unknown", () => asking.start()); // its answer says what is wrong
  socket.on("disconnect", reason => {
    known = null;
    asking.start(300);
    if (reason === "io server disconnect") socket.connect();
  });
  socket.on("connect_error", () => asking.start());
  document.addEventListener("visibilitychange", () => {
    if (socket.connected) look();
    else if (!document.hidden) socket.connect();
  });
}
