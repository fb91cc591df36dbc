"""Open pages without a browser: a Socket.IO client that keeps the events it received."""

import re
from typing import Any

import socketio

from tests.support.page import parsed
from tests.support.server import Server

NAME = "gaia"
LONG_S = 15


class Page:
    """An open page with the events that it received, in order."""

    def __init__(self, server: Server, hidden: bool = False, name: str = NAME) -> None:
        self.received: list[tuple[str, Any]] = []
        self._look = {"list": name, "hidden": hidden}
        self.client = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=0.5)
        for event in ("summary", "unknown"):
            self.client.on(event, lambda *data, event=event: self.received.append((event, data[0] if data else None)))
        self.client.on("connect", self.look)
        self.client.connect(server.url, transports=["websocket"], wait_timeout=LONG_S)

    def look(self, hidden: bool | None = None) -> None:
        """Sends the list and the visibility of the page."""
        self._look["hidden"] = self._look["hidden"] if hidden is None else hidden
        self.client.emit("look", self._look)

    def events(self, kind: str) -> list[Any]:
        """The data of the received events of this kind."""
        return [data for event, data in list(self.received) if event == kind]

    def numbers(self) -> list[dict[str, Any]]:
        """The numbers that the page showed, in order."""
        return [numbers_of(html) for html in self.events("summary")]


def numbers_of(html: str) -> dict[str, Any]:
    """The numbers in a summary: by name, and `stages` as {stage: {jobs, flagged, failed}}."""
    root = parsed(html)
    numbers: dict[str, Any] = {
        element.attributes["data-n"]: _number(element.text) for element in root.all() if "data-n" in element.attributes
    }
    stages = {}
    for item in root.all("ul", "key")[0].all("li") if root.all("ul", "key") else []:
        late = item.all("span")[0].text
        expired, failed = (_before(word, late) for word in ("expired", "failed"))
        jobs = int(_number(item.all("b")[0].text))
        stages[item.text.split()[0]] = {"jobs": jobs, "flagged": expired + failed, "failed": failed}
    return numbers | {"stages": stages}


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _before(word: str, text: str) -> int:
    match = re.search(rf"([\d,]+) {word}", text)
    return int(_number(match[1])) if match else 0
