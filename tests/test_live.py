"""What open pages are told by Socket.IO, in every async mode."""

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
import socketio

from tests.conftest import Asker, Server

MODES = ("eventlet", "gevent", "threading")
NAME = "gaia"
LONG_S = 15


def until(condition: Callable[[], Any], why: str, within_s: float = LONG_S) -> Any:
    """What condition() gives as soon as it is true."""
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {within_s} s: {why}")


class Page:
    """An open page: what it was told, in order."""

    def __init__(self, server: Server, behind: bool = False, name: str = NAME) -> None:
        self.told: list[tuple[str, Any]] = []
        self._look = {"list": name, "behind": behind}
        self.client = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=0.5)
        for event in ("whole", "change", "unknown"):
            self.client.on(event, lambda *what, event=event: self.told.append((event, what[0] if what else None)))
        self.client.on("connect", self.look)
        self.client.connect(server.url, transports=["websocket"])

    def look(self, behind: bool | None = None) -> None:
        """Says what it looks at."""
        self._look["behind"] = self._look["behind"] if behind is None else behind
        self.client.emit("look", self._look)

    def events(self, kind: str) -> list[Any]:
        """What it was told by that name."""
        return [what for event, what in list(self.told) if event == kind]


@pytest.fixture(params=MODES)
def told_server(request: pytest.FixtureRequest, new_server: Any) -> Server:
    """A server in each mode."""
    server: Server = new_server(async_mode=request.param)
    return server.start()


@pytest.fixture
def ask(told_server: Server, jobix: int) -> Asker:
    """A list with ten jobs."""
    ask = Asker(told_server.url, jobix)
    ask(f"/init/0/10?name={NAME}")
    ask("/set", {str(number): {} for number in range(10)})
    return ask


@pytest.fixture
def open_page(told_server: Server) -> Iterator[Callable[..., Page]]:
    """Opens pages, that close with the test."""
    with contextlib.ExitStack() as stack:

        def make(**how: Any) -> Page:
            page = Page(told_server, **how)
            stack.callback(page.client.disconnect)
            return page

        yield make


def test_a_page_is_told_all_then_only_what_changed_and_never_a_secret(ask: Asker, open_page: Any) -> None:
    page = open_page()
    whole = until(lambda: page.events("whole"), "told all")[0]
    assert whole == ask("/live?list=" + NAME).json()
    job = ask("/get/0", worker="node1:1").json()
    change = until(lambda: page.events("change"), "told of the claim")[0]
    assert change["stages"] == {"0": {"jobs": 9}, "1": {"jobs": 1, "flagged": 0, "failed": 0}}
    assert {"list", "jobs", "done"}.isdisjoint(change)
    said = json.dumps(page.told)
    assert str(ask.jobix) not in said
    assert job["claim"] not in said


def test_changes_come_at_most_twice_a_second_and_add_up(ask: Asker, open_page: Any) -> None:
    page = open_page()
    numbers = until(lambda: page.events("whole"), "told all")[0]
    begun = time.monotonic()
    for _ in range(10):
        job = ask("/get/0", worker="node1:1").json()
        ask(f"/update_job/{job['jobid']}/2", claim=job["claim"])
    until(lambda: any(change.get("done") == 10 for change in page.events("change")), "told the end")
    changes = page.events("change")
    assert len(changes) <= 2 * (time.monotonic() - begun) + 1
    for change in changes:
        numbers = merged(numbers, change)
    now = ask("/live?list=" + NAME).json()
    assert {name: numbers[name] for name in ("done", "available", "working", "percent", "stages")} == {
        name: now[name] for name in ("done", "available", "working", "percent", "stages")
    }


def merged(known: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """RFC 7386, as a page does it."""
    new = dict(known)
    for name, value in change.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = merged(new.get(name, {}), value) if isinstance(value, dict) else value
    return new


def test_a_tab_behind_others_is_told_less_and_all_at_once_when_it_comes_forward(ask: Asker, open_page: Any) -> None:
    front, behind = open_page(), open_page(behind=True)
    until(lambda: front.events("whole") and behind.events("whole"), "both told all")
    until(lambda: front.events("change") or ask("/get/0").json() == "nada", "told in front")
    assert not behind.events("change")
    behind.look(behind=False)
    latest = until(lambda: behind.events("whole")[1:], "told all again")[-1]
    assert latest["working"] == ask("/live?list=" + NAME).json()["working"]


def test_a_page_comes_back_by_itself_after_a_restart(told_server: Server, ask: Asker, open_page: Any) -> None:
    page = open_page()
    until(lambda: page.events("whole"), "told all")
    told_server.kill()
    told_server.start()
    ask.session.close()
    job = ask("/get/0").json()
    until(lambda: len(page.events("whole")) > 1, "told all again")
    ask(f"/update_job/{job['jobid']}/2", claim=job["claim"])
    until(lambda: any(change.get("done") == 1 for change in page.events("change")), "told what is new")


def test_open_pages_don_t_keep_a_server_from_stopping(told_server: Server, ask: Asker, open_page: Any) -> None:
    page = open_page()
    until(lambda: page.events("whole"), "told all")
    begun = time.monotonic()
    assert told_server.stop() == 0
    assert time.monotonic() - begun < 8  # it would wait 30 s for running requests


def test_a_list_that_is_not_there_is_said_to_be_unknown(ask: Asker, open_page: Any) -> None:
    page = open_page(name="nobody's")
    until(lambda: page.events("unknown"), "told so")
    page.client.emit("look", ["nonsense"])
    page.client.emit("look", {"list": NAME})
    until(lambda: page.events("whole"), "still answered")


class Deaf:
    """A page that speaks and never reads, with the smallest buffers that its machine gives it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert b"101" in self.socket.recv(300)
        self.say("40")

    def say(self, text: str) -> None:
        """One frame, masked with zeros."""
        data = text.encode()
        assert len(data) < 126
        self.socket.sendall(bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data)

    def cut(self) -> bool:
        """Whether the server has closed the connection."""
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        return bool(poll.poll(0))


def test_a_page_that_doesn_t_read_is_cut_off_before_memory_grows(
    told_server: Server, ask: Asker, open_page: Any
) -> None:
    ask("/set", {str(100 + stage): {"jobstage": 2 * stage} for stage in range(500)})  # so that `whole` is large
    page = open_page()
    until(lambda: page.events("whole"), "told all")
    assert told_server.process is not None
    process = psutil.Process(told_server.process.pid)
    deaf = Deaf(told_server.port)
    before = process.memory_info().rss
    look = '42["look",' + json.dumps({"list": NAME}) + "]"
    with contextlib.suppress(OSError):
        for number in range(LONG_S * 10):
            deaf.say(look)
            if number > 40:  # the buffers between are full: each of these would leave an answer in memory
                for answer in range(500):
                    deaf.say(f'42{answer}["look",{{}}]')
            if deaf.cut():
                break
            time.sleep(0.1)
    until(deaf.cut, "cut off")
    assert process.memory_info().rss - before < 30_000_000
    ask("/get/0")
    until(lambda: page.events("change"), "the others are told")


def test_plain_wsgi_has_no_socket_io_and_says_so_to_the_page(tmp_path: Any) -> None:
    code = (
        "from jobserver import app; client = app.test_client();"
        "client.get('/init/0/10?name=gaia', headers={'jobix': '1'});"
        "client.post('/set', json={'1': {}}, headers={'jobix': '1'});"
        "print(client.get('/socket.io/?EIO=4&transport=polling').status_code,"
        " 'data-sockets=\"no\"' in client.get('/get?list=gaia', headers={'Accept': 'text/html'}).text)"
    )
    environment = {**os.environ, "JOBSERVER_INSTANCE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"404 True\s*", done.stdout)
