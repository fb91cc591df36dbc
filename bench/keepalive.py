"""A load generator with keep-alive connections: raw sockets and one epoll, so that it uses little CPU."""

import re
import select
import socket
import time
from collections.abc import Callable

from bench.hello import PATH
from bench.servers import SECRET

CONNECTIONS, WARM_S, FOR_S = 16, 0.5, 2.0
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
NEXT = re.compile(rb'"next":\{"jobid":(\d+),.*"claim":"(\w+)"')


def request(path: str, claim: str | None = None) -> bytes:
    """The bytes of a GET request."""
    claim_header = f"claim: {claim}\r\n" if claim else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: {SECRET}\r\n{claim_header}\r\n".encode()


class KeepAlive:
    """One connection with one request at a time."""

    def __init__(self, port: int, first: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self.send(first)

    def send(self, data: bytes) -> None:
        """Sends the next request."""
        self.socket.sendall(data)

    def response(self) -> bytes | None:
        """Reads once. Returns the response if it is complete; RuntimeError unless its status is 200."""
        chunk = self.socket.recv(65536)
        received = self._received = self._received + chunk
        head = received.find(b"\r\n\r\n")
        if not chunk or (head >= 0 and not received.startswith(b"HTTP/1.1 200")):
            raise RuntimeError(received[:300])
        match = LENGTH.search(received, 0, head) if head >= 0 else None
        if match is None or len(received) < head + 4 + int(match[1]):
            return None
        self._received = b""
        return received


def rate(port: int, firsts: list[bytes], following: Callable[[bytes], bytes]) -> float:
    """Requests a second over one connection for each of the first requests; following(response) is the next request."""
    poll = select.epoll()
    connections = [KeepAlive(port, first) for first in firsts]
    by_fd = {connection.socket.fileno(): connection for connection in connections}
    for number in by_fd:
        poll.register(number, select.EPOLLIN)
    start = time.perf_counter() + WARM_S
    end, count, now = start + FOR_S, 0, 0.0
    while now < end:
        for number, _event in poll.poll():
            connection = by_fd[number]
            if (response := connection.response()) is not None:
                connection.send(following(response))
                count += 1
        now = time.perf_counter()
        if now < start:
            count = 0
    for connection in connections:
        connection.socket.close()
    poll.close()
    return count / (now - start)


def hello_rate(port: int) -> float:
    """Responses a second of bare Flask."""
    first = request(PATH)
    return rate(port, [first] * CONNECTIONS, lambda _response: first)


def job_rate(port: int, held: list[tuple[int, str]]) -> float:
    """Jobs a second, one job a request: each completes a job and claims the next one. `held`: the ids and claim tokens
    of the first jobs, one for each connection."""

    def done(jobid: int | str, claim: str) -> bytes:
        return request(f"/update_job/{jobid}/2?next=0", claim)

    def following(response: bytes) -> bytes:
        match = NEXT.search(response)
        if match is None:
            raise RuntimeError(response)
        return done(match[1].decode(), match[2].decode())

    return rate(port, [done(jobid, claim) for jobid, claim in held], following)
