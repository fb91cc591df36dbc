"""A proxy that drops, delays and repeats requests and responses: python -m tests.faults.history.proxy SEED FILE PORT…

PORT: of each server; a request goes to any of them. The proxy prints its own port. Each input line is the share of
requests to disturb, from 0 to 1; or "idle", which gets a response when no request is in progress.
"""

import contextlib
import random
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.history.journal import Journal

PIECE = 65536
LONG_S = 60
DISTURBANCES = (
    "drop request",
    "drop response",
    "half a response",
    "delay request",
    "delay response",
    "twice",
    "again later",
)


def message(stream: socket.socket, rest: bytes = b"") -> bytes:
    """Reads one complete request or response; empty if the peer closed the connection early."""
    while b"\r\n\r\n" not in rest:
        piece = stream.recv(PIECE)
        if not piece:
            return b""
        rest += piece
    head, _, body = rest.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    length = int(headers.get(b"content-length", b"0"))
    while len(body) < length:
        piece = stream.recv(PIECE)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


class Disturbances:
    """The share of disturbed requests, and the disturbances in progress."""

    def __init__(self, seed: str, journal: Journal, ports: list[int]) -> None:
        self.share = 0.0
        self._rng = random.Random(seed)
        self._journal = journal
        self._ports = ports
        self._in_progress = 0
        self._lock = threading.Lock()

    def choose(self, request: bytes) -> str:
        """Chooses a disturbance of this request."""
        with self._lock:
            disturbance = self._rng.choice(DISTURBANCES) if self._rng.random() < self.share else ""
        if disturbance:
            self._journal.write("disturbance", disturbance=disturbance, request=request.split(b"\r\n", 1)[0].decode())
        return disturbance

    def delay_s(self) -> float:
        """Chooses the length of a delay."""
        with self._lock:
            return self._rng.uniform(0.02, 1.2)

    def send(self, request: bytes) -> bytes:
        """Sends a request on a new connection. Returns the response; empty if there is none."""
        with self._lock:
            port = self._rng.choice(self._ports)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), LONG_S) as server:
            server.sendall(request)
            return message(server)
        return b""

    @contextlib.contextmanager
    def in_progress(self) -> Iterator[None]:
        """Counts a request, also while it is delayed."""
        with self._lock:
            self._in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_progress -= 1

    def later(self, work: Callable[[], object], delay_s: float) -> threading.Thread:
        """Runs `work` in a thread after a delay."""

        def run() -> None:
            time.sleep(delay_s)
            try:
                work()
            finally:
                with self._lock:
                    self._in_progress -= 1

        with self._lock:
            self._in_progress += 1
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def wait_until_idle(self) -> None:
        """Returns when no request is left."""
        while self._in_progress:
            time.sleep(0.005)


class ForwardingHandler(socketserver.BaseRequestHandler):
    """One connection of a worker."""

    disturbances: Disturbances

    def handle(self) -> None:
        """Forwards requests until a disturbance closes the connection."""
        self.request.settimeout(LONG_S)
        with contextlib.suppress(OSError):
            while request := message(self.request):
                with self.disturbances.in_progress():
                    response = self._forward(request, self.disturbances.choose(request))
                self.request.sendall(response)
                if not response or self._broken:
                    return

    def _forward(self, request: bytes, disturbance: str) -> bytes:
        disturbances, self._broken = self.disturbances, disturbance in ("drop response", "half a response")
        if disturbance == "drop request":
            return b""
        if disturbance == "twice":
            responses: list[bytes] = []
            threads = [disturbances.later(lambda: responses.append(disturbances.send(request)), 0) for _ in range(2)]
            for thread in threads:
                thread.join()
            return responses[-1]
        if disturbance == "delay request":
            time.sleep(disturbances.delay_s())
        response = disturbances.send(request)
        if disturbance == "again later":
            disturbances.later(lambda: disturbances.send(request), disturbances.delay_s())
        if disturbance == "delay response":
            time.sleep(disturbances.delay_s())
        if disturbance == "drop response":
            return b""
        return response[: len(response) // 2] if disturbance == "half a response" else response


class Listener(socketserver.ThreadingTCPServer):
    """One thread for each connection."""

    daemon_threads = True
    request_queue_size = 64


def main(seed: str, file: str, *ports: str) -> None:
    """Forwards requests until the input ends."""
    disturbances = Disturbances(seed, Journal(Path(file)), [int(port) for port in ports])
    ForwardingHandler.disturbances = disturbances
    with Listener(("127.0.0.1", 0), ForwardingHandler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        print(listener.server_address[1], flush=True)
        for line in sys.stdin:
            if line == "idle\n":
                disturbances.wait_until_idle()
                print(line, end="", flush=True)
            else:
                disturbances.share = float(line)
        listener.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
