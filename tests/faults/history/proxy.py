"""A proxy that drops, delays and repeats requests and responses: python -m tests.faults.history.proxy SEED FILE PORT…

PORT: of each server; a request goes to any of them. The proxy prints its own port. Each input line is the share of
requests to disturb, from 0 to 1; or "quiet", which gets a response when no request is in progress.
"""

import contextlib
import random
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.history.journal import Journal

PIECE = 65536
LONG_S = 60
FATES = ("drop request", "drop answer", "half an answer", "delay request", "delay answer", "twice", "again later")


def message(stream: socket.socket, rest: bytes = b"") -> bytes:
    """Reads one complete request or response; empty if the peer closed the connection early."""
    while b"\r\n\r\n" not in rest:
        piece = stream.recv(PIECE)
        if not piece:
            return b""
        rest += piece
    head, _, body = rest.partition(b"\r\n\r\n")
    named = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    length = int(named.get(b"content-length", b"0"))
    while len(body) < length:
        piece = stream.recv(PIECE)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


class Weather:
    """The share of disturbed requests, and the disturbances in progress."""

    def __init__(self, seed: str, journal: Journal, ports: list[int]) -> None:
        self.harm = 0.0
        self._chance = random.Random(seed)
        self._journal = journal
        self._ports = ports
        self._under_way = 0
        self._lock = threading.Lock()

    def fate(self, request: bytes) -> str:
        """Chooses the disturbance of this request."""
        with self._lock:
            fate = self._chance.choice(FATES) if self._chance.random() < self.harm else ""
        if fate:
            self._journal.write("fate", fate=fate, request=request.split(b"\r\n", 1)[0].decode())
        return fate

    def seconds(self) -> float:
        """Chooses the length of a delay."""
        with self._lock:
            return self._chance.uniform(0.02, 1.2)

    def send(self, request: bytes) -> bytes:
        """Sends a request on a new connection. Returns the response; empty if there is none."""
        with self._lock:
            port = self._chance.choice(self._ports)
            self._under_way += 1
        try:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), LONG_S) as server:
                server.sendall(request)
                return message(server)
            return b""
        finally:
            with self._lock:
                self._under_way -= 1

    def later(self, work: Callable[[], object], seconds: float) -> threading.Thread:
        """Runs `work` in a thread after a delay."""

        def run() -> None:
            time.sleep(seconds)
            try:
                work()
            finally:
                with self._lock:
                    self._under_way -= 1

        with self._lock:
            self._under_way += 1
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def quiet(self) -> None:
        """Returns when no delayed work is left."""
        while self._under_way:
            time.sleep(0.005)


class Passing(socketserver.BaseRequestHandler):
    """One connection of a worker."""

    weather: Weather

    def handle(self) -> None:
        """Forwards requests until a disturbance closes the connection."""
        self.request.settimeout(LONG_S)
        with contextlib.suppress(OSError):
            while request := message(self.request):
                answer = self._passed(request, self.weather.fate(request))
                self.request.sendall(answer)
                if not answer or self._broken:
                    return

    def _passed(self, request: bytes, fate: str) -> bytes:
        weather, self._broken = self.weather, fate in ("drop answer", "half an answer")
        if fate == "drop request":
            return b""
        if fate == "twice":
            answers: list[bytes] = []
            threads = [weather.later(lambda: answers.append(weather.send(request)), 0) for _ in range(2)]
            for thread in threads:
                thread.join()
            return answers[-1]
        if fate == "delay request":
            time.sleep(weather.seconds())
        answer = weather.send(request)
        if fate == "again later":
            weather.later(lambda: weather.send(request), weather.seconds())
        if fate == "delay answer":
            time.sleep(weather.seconds())
        if fate == "drop answer":
            return b""
        return answer[: len(answer) // 2] if fate == "half an answer" else answer


class Listener(socketserver.ThreadingTCPServer):
    """One thread for each connection."""

    daemon_threads = True
    request_queue_size = 64


def main(seed: str, file: str, *ports: str) -> None:
    """Forwards requests until the input ends."""
    weather = Weather(seed, Journal(Path(file)), [int(port) for port in ports])
    Passing.weather = weather
    with Listener(("127.0.0.1", 0), Passing) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        print(listener.server_address[1], flush=True)
        for line in sys.stdin:
            if line == "quiet\n":
                weather.quiet()
                print(line, end="", flush=True)
            else:
                weather.harm = float(line)
        listener.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
