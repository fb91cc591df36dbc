"""What comes over a connection: a simple request's head, its body as a file, and anything else as a file."""

import re
import socket
from io import RawIOBase
from typing import Any

# No part may take what the next one could: else a long path costs seconds.
HEAD = re.compile(
    rb"(GET|POST) (/([a-z_]+)(?:[0-9/][a-z0-9_/]*)?)(?:\?([!-~]*))? HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9-]+:[\t -~\x80-\xff]*\r\n)*)\r\n"
)
QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # Linux has it


class Body(RawIOBase):
    """The body of a request, of which some came `ahead`; `left` bytes of it were not read yet. They are read when they
    are asked for: who needs none doesn't wait."""

    def __init__(self, connection: Any, ahead: bytes, size: int) -> None:
        self._connection = connection
        self._ahead = ahead
        self.left = size

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """See RawIOBase."""
        view = memoryview(buffer)[: self.left]
        n = min(len(view), len(self._ahead))
        if n:
            view[:n], self._ahead = self._ahead[:n], self._ahead[n:]
        elif len(view):
            if QUICKACK is not None:  # some clients send no body until the head is acknowledged
                self._connection.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
            n = self._connection.recv_into(view)
        self.left -= n
        return n


class Raw(RawIOBase):
    """The bytes of a connection, first those `ahead`. `paused`: none come for now, so that looking at what was read
    reads nothing."""

    def __init__(self, raw: RawIOBase) -> None:
        self._raw = raw
        self.ahead = b""
        self.paused = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """See RawIOBase."""
        if self.paused:
            return None
        if not self.ahead:
            return self._raw.readinto(buffer)
        n = min(len(buffer), len(self.ahead))
        buffer[:n], self.ahead = self.ahead[:n], self.ahead[n:]
        return n

    def close(self) -> None:
        """Closes them."""
        super().close()
        self._raw.close()
