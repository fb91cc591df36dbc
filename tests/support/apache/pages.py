"""Open pages from the server's view: they hold a WebSocket, or poll for changes."""

import contextlib
import http.client
import json
import threading
import time
from typing import Any
from urllib.parse import quote

import requests
from simple_websocket import Client

from tests.support.live_page import numbers_of

EVERY_S = 2.0
PUSHED_WITHIN_S = 5.0


class Pages:
    """A number of pages of one list. Each uses a WebSocket if its HTML offers one; otherwise it polls every two seconds
    with the ETag of its content."""

    def __init__(self, port: int, name: str, n: int) -> None:
        self.responses: dict[int, int] = {}  # status: its number of responses
        self.longest_s = 0.0
        self.errors: list[BaseException] = []
        self._port, self._path = port, f"/live?list={quote(name)}"
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._numbers: list[Any] = [None] * n
        page = requests.get(f"http://127.0.0.1:{port}/get?list={quote(name)}", timeout=20).text
        self.uses_websockets = 'data-sockets="yes"' in page
        self._websockets = [WebSocketPage(port, name) for _ in range(n if self.uses_websockets else 0)]
        self._threads = [
            threading.Thread(target=self._page, args=(number,)) for number in range(0 if self.uses_websockets else n)
        ]

    def __enter__(self) -> "Pages":
        for thread in self._threads:
            thread.start()
            time.sleep(EVERY_S / len(self._threads))  # spread the start of the pages
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        for websocket in self._websockets:
            websocket.close()

    def numbers(self, end: dict[str, Any]) -> list[Any]:
        """The final content of each page, after a last poll, a matching snapshot or some seconds."""
        give_up_at = time.monotonic() + PUSHED_WITHIN_S
        while (
            not all(end.items() <= websocket.numbers.items() for websocket in self._websockets)
            and time.monotonic() < give_up_at
        ):
            time.sleep(0.05)
        assert all(websocket.alive() for websocket in self._websockets), "a WebSocket broke"
        self.__exit__()
        assert not self.errors, self.errors
        return [websocket.numbers for websocket in self._websockets] or self._numbers

    def _page(self, number: int) -> None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            etag, last = "", False
            with contextlib.closing(connection):
                while not last:
                    last = self._ended.wait(EVERY_S)  # polls once more after the end
                    start_s = time.perf_counter()
                    try:
                        response, body = self._ask(connection, etag)
                    except (ConnectionResetError, http.client.RemoteDisconnected):
                        # Apache closes idle connections; a browser then opens a new one
                        response, body = self._ask(connection, etag)
                    if response.status == 200:
                        etag, self._numbers[number] = response.headers["ETag"], json.loads(body)
                    with self._lock:
                        self.longest_s = max(self.longest_s, time.perf_counter() - start_s)
                        self.responses[response.status] = self.responses.get(response.status, 0) + 1
        except BaseException as error:
            self.errors.append(error)

    def _ask(self, connection: http.client.HTTPConnection, etag: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection.request("GET", self._path, headers={"If-None-Match": etag, "Accept-Encoding": "gzip"})
        response = connection.getresponse()
        return response, response.read()


class WebSocketPage:
    """A page's Socket.IO connection, by WebSocket alone."""

    def __init__(self, port: int, name: str, origin: str = "http://127.0.0.1") -> None:
        self.numbers: dict[str, Any] = {}
        headers = {"Origin": origin}  # without the port, like the Host header of this library
        self._client = Client(f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket", headers=headers)
        self._client.send("40")  # first: the library delivers data received with the handshake only with the next data
        assert self._client.receive(20).startswith("0{")
        assert self._client.receive(20).startswith("40{")
        self._client.send("42" + json.dumps(["look", {"list": name, "hidden": False}]))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(Exception):
            while True:
                self._handle(self._client.receive())

    def _handle(self, message: str) -> None:
        if message == "2":
            self._client.send("3")
        elif message.startswith("42"):
            event, content = json.loads(message[2:])
            self.numbers = numbers_of(content) if event == "summary" else self.numbers

    def alive(self) -> bool:
        """Whether it is connected."""
        return bool(self._client.connected)

    def close(self) -> None:
        """Closes the connection."""
        if self._client.connected:
            self._client.close()
