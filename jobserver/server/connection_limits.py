"""Limits of connections: their idle time, and their number for one address."""

import json
import threading
from collections import Counter

MAX_CONNECTIONS = 10_000
MAX_PER_ADDRESS = MAX_CONNECTIONS // 2  # a cluster behind one address fits, and leaves room for others
IDLE_S = 60  # before the first request, and between two
_BODY = json.dumps(
    {"error": "server_busy", "message": "Your address has too many open connections; try again."}
).encode()
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Connections:
    """Counts the open connections of each address."""

    def __init__(self, most: int = MAX_PER_ADDRESS) -> None:
        self._most = most
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def open(self, address: str) -> bool:
        """Adds one connection; returns False, without a change, at the limit."""
        with self._lock:
            if self._open[address] >= self._most:
                return False
            self._open[address] += 1
            return True

    def close(self, address: str) -> None:
        """Removes one connection."""
        with self._lock:
            self._open[address] -= 1
            if self._open[address] <= 0:
                del self._open[address]
