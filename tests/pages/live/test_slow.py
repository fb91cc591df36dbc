"""A page that sends and never reads, in every async mode."""

import contextlib
import json
import select
import socket
import threading
import time
from typing import Any

import psutil

from tests.support.live_page import LONG_S, NAME
from tests.support.server import ApiClient, Server
from tests.support.until import until


class UnreadClient:
    """A page that sends and never reads, with the smallest buffers that the system allows."""

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
        self.socket.settimeout(LONG_S)
        self.send_text("40")

    def send_text(self, text: str) -> None:
        """Sends one frame, masked with zeros."""
        data = text.encode()
        assert len(data) < 126
        self.socket.sendall(bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data)

    def is_disconnected(self) -> bool:
        """Whether the server has closed the connection."""
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        return bool(poll.poll(0))


def test_a_page_that_does_not_read_is_disconnected(live_server: Server, api: ApiClient, open_page: Any) -> None:
    api("/set", {str(100 + stage): {"jobstage": 2 * stage} for stage in range(500)})  # makes a snapshot large
    page = open_page()
    until(page.numbers, "a first snapshot")
    assert live_server.process is not None
    process = psutil.Process(live_server.process.pid)
    unread_client = UnreadClient(live_server.port)
    before = process.memory_info().rss
    look_message = '42["look",' + json.dumps({"list": NAME}) + "]"
    with contextlib.suppress(OSError):
        for _ in range(40):
            unread_client.send_text(look_message)
            time.sleep(0.1)
        for response in range(100_000):  # the socket buffers are full: each frame leaves a response in memory
            unread_client.send_text(f'42{response}["look",{{}}]')
    until(unread_client.is_disconnected, "cut off")
    assert process.memory_info().rss - before < 30_000_000
    api("/get/0")
    until(lambda: page.numbers()[-1]["working"] == 1, "the other pages are updated")


def test_a_page_that_floods_the_server_does_not_delay_others(
    live_server: Server, api: ApiClient, open_page: Any
) -> None:
    page = open_page()
    until(page.numbers, "a first snapshot")
    flooding_client = UnreadClient(live_server.port)
    text = b'42["look",{}]'
    frames = (bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text) * 1000
    ended = threading.Event()

    def speak() -> None:
        with contextlib.suppress(OSError):
            while not ended.is_set():
                flooding_client.socket.sendall(frames)

    threading.Thread(target=speak, daemon=True).start()
    slowest = 0.0
    for _ in range(20):
        start_s = time.monotonic()
        api("/live?list=" + NAME)
        slowest = max(slowest, time.monotonic() - start_s)
    ended.set()
    flooding_client.socket.close()
    assert slowest < 2
    api("/get/0")
    until(lambda: page.numbers()[-1]["working"] == 1, "a snapshot after the claim")
