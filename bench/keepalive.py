"""Keep-alive connections that ask as fast as they are answered: raw sockets, one epoll, so that asking costs little."""

import re
import select
import socket
import time
from collections.abc import Callable

from bench.hello import PATH
from bench.started import SECRET

CONNECTIONS, WARM_S, FOR_S = 16, 0.5, 2.0
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
NEXT = re.compile(rb'"next":\{"jobid":(\d+),.*"claim":"(\w+)"')


def request(path: str, claim: str | None = None) -> bytes:
    """A GET, as it is sent."""
    held = f"claim: {claim}\r\n" if claim else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: {SECRET}\r\n{held}\r\n".encode()


class KeepAlive:
    """One connection, with one request under way."""

    def __init__(self, port: int, first: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = b""
        self.send(first)

    def send(self, asked: bytes) -> None:
        """The next request."""
        self.socket.sendall(asked)

    def answer(self) -> bytes | None:
        """The complete response; RuntimeError unless its status is 200."""
        piece = self.socket.recv(65536)
        came = self._came = self._came + piece
        head = came.find(b"\r\n\r\n")
        if not piece or (head >= 0 and not came.startswith(b"HTTP/1.1 200")):
            raise RuntimeError(came[:300])
        found = LENGTH.search(came, 0, head) if head >= 0 else None
        if found is None or len(came) < head + 4 + int(found[1]):
            return None
        self._came = b""
        return came


def rate(port: int, firsts: list[bytes], following: Callable[[bytes], bytes]) -> float:
    """Requests a second of as many connections as there are first requests; following(answer) is the next request."""
    poll = select.epoll()
    connections = [KeepAlive(port, first) for first in firsts]
    asking = {connection.socket.fileno(): connection for connection in connections}
    for number in asking:
        poll.register(number, select.EPOLLIN)
    begins = time.perf_counter() + WARM_S
    ends, answered, now = begins + FOR_S, 0, 0.0
    while now < ends:
        for number, _event in poll.poll():
            connection = asking[number]
            if (answer := connection.answer()) is not None:
                connection.send(following(answer))
                answered += 1
        now = time.perf_counter()
        if now < begins:
            answered = 0
    for connection in connections:
        connection.socket.close()
    poll.close()
    return answered / (now - begins)


def hello_rate(port: int) -> float:
    """Answers a second of bare Flask."""
    asked = request(PATH)
    return rate(port, [asked] * CONNECTIONS, lambda _answer: asked)


def job_rate(port: int, held: list[tuple[int, str]]) -> float:
    """Jobs a second, a request each, by workers that hold these jobs at first: done with one, and the next please."""

    def done(jobid: int | str, claim: str) -> bytes:
        return request(f"/update_job/{jobid}/2?next=0", claim)

    def following(answer: bytes) -> bytes:
        found = NEXT.search(answer)
        if found is None:
            raise RuntimeError(answer)
        return done(found[1].decode(), found[2].decode())

    return rate(port, [done(jobid, claim) for jobid, claim in held], following)
