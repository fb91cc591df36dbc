"""A page that speaks and never reads, in every async mode."""

import contextlib
import json
import select
import socket
import time
from typing import Any

import psutil

from tests.conftest import Asker, Server
from tests.live.conftest import LONG_S, NAME, until


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
