"""A connection's socket under eventlet. Its own green one is made with so many attributes and calls of the system
that a connection for one short request costs less without it."""

import socket
from typing import Any

from eventlet.greenio.base import SOCKET_CLOSED, GreenSocket
from eventlet.hubs import trampoline

NOW = socket.MSG_DONTWAIT


class PlainSocket:
    """What is asked of a connection all day; waiting for the other end, it lets others go on."""

    def __init__(self, connection: Any) -> None:
        """connection: the system's own socket, not a green one."""
        self._connection = connection
        self.fileno = connection.fileno
        self.setsockopt = connection.setsockopt
        self.shutdown = connection.shutdown
        self.close = connection.close

    def recv(self, size: int) -> bytes:
        """Up to so many bytes; none when no more will come."""
        while True:
            try:
                came: bytes = self._connection.recv(size, NOW)
                return came
            except BlockingIOError:
                pass  # not here: who waits would keep the exception
            except OSError as error:
                if error.errno not in SOCKET_CLOSED:
                    raise
                return b""
            trampoline(self._connection, read=True)

    def recv_into(self, buffer: memoryview) -> int:
        """The same, to there; how many."""
        came = self.recv(len(buffer))
        buffer[: len(came)] = came
        return len(came)

    def sendall(self, data: memoryview) -> None:
        """Sends all of it."""
        while data:
            try:
                data = data[self._connection.send(data, NOW) :]
                continue
            except BlockingIOError:
                pass
            trampoline(self._connection, write=True)

    def green(self) -> GreenSocket:
        """eventlet's own socket, in the place of this one."""
        return GreenSocket(self._connection)
