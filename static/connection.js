// The Socket.IO connection: the server pushes the summary of a list. Without it htmx polls.
import { say } from "./live.js";

const BLOCKED = "The live connection is interrupted or blocked. The page polls every two seconds, and keeps trying to connect.";

export async function connect({ list, socket: library, sockets }, show) {
  const io = library ? await import(library).then(module => module.io, () => null) : null;
  if (!io) {
    say("polling", sockets === "yes" ? "socket.io-client is not installed (run make setup). The page polls every two seconds."
      : "This server cannot hold connections. The page polls every two seconds.");
    return;
  }
  const socket = io({ transports: ["websocket"], reconnectionDelay: 500, reconnectionDelayMax: 4000, timeout: 8000 });
  const look = () => socket.emit("look", { list, hidden: document.hidden });
  socket.on("connect", look);
  socket.on("summary", html => {
    say("live");
    show(html);
  });
  socket.on("unknown", () => socket.disconnect()); // the response to a poll shows the error
  socket.on("disconnect", reason => {
    say("polling", BLOCKED);
    if (reason === "io server disconnect") socket.connect();
  });
  document.addEventListener("visibilitychange", () => {
    if (socket.connected) look();
    else if (!document.hidden) socket.connect();
  });
}
