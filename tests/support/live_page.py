"""Open pages without a browser: a Socket.IO client that keeps the events it received."""

from typing import Any

import socketio

from tests.support.server import Server

NAME = "gaia"
LONG_S = 15


class Page:
    """An open page: what it was told, in order."""

    def __init__(self, server: Server, behind: bool = False, name: str = NAME) -> None:
        self.told: list[tuple[str, Any]] = []
        self._look = {"list": name, "behind": behind}
        self.client = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=0.5)
        for event in ("whole", "change", "unknown"):
            self.client.on(event, lambda *what, event=event: self.told.append((event, what[0] if what else None)))
        self.client.on("connect", self.look)
        self.client.connect(server.url, transports=["websocket"], wait_timeout=LONG_S)

    def look(self, behind: bool | None = None) -> None:
        """Says what it looks at."""
        self._look["behind"] = self._look["behind"] if behind is None else behind
        self.client.emit("look", self._look)

    def events(self, kind: str) -> list[Any]:
        """What it was told by that name."""
        return [what for event, what in list(self.told) if event == kind]


def merged(known: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """RFC 7386, as a page does it."""
    new = dict(known)
    for name, value in change.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = merged(new.get(name, {}), value) if isinstance(value, dict) else value
    return new
