"""A proxy to PostgreSQL that can lose responses."""

import socket
import threading
from contextlib import suppress

from psycopg.conninfo import conninfo_to_dict

PIECE = 65536


class Wire:
    """Listens on a TCP port (`uri`) and forwards bytes both ways.

    `silent`: accepts all data and forwards nothing. `loses_commits`: closes the connection instead of forwarding
    PostgreSQL's response to a COMMIT. `lost`: the number of lost responses.
    """

    def __init__(self, uri: str) -> None:
        named = conninfo_to_dict(uri)
        self._target = f"{named['host']}/.s.PGSQL.{named.get('port', 5432)}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._talks = threading.Event()
        self._talks.set()
        self.loses_commits = False
        self.lost = 0
        port = self._listener.getsockname()[1]
        self.uri = f"postgresql://{named['user']}@127.0.0.1:{port}/{named['dbname']}"
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Stops forwarding."""
        self._talks.clear()

    def talk(self) -> None:
        """Forwards the delayed data, and continues."""
        self._talks.set()

    def close(self) -> None:
        """Closes every connection."""
        self.talk()
        for end in (self._listener, *self._ends):
            _hang_up(end)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                try:
                    far.connect(self._target)
                except OSError:  # PostgreSQL is not there
                    near.close()
                    far.close()
                    continue
                self._ends += [near, far]
                committing = threading.Event()
                for carry in (self._ask, self._answer):
                    threading.Thread(target=carry, args=(near, far, committing), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket, committing: threading.Event) -> None:
        with suppress(OSError):
            while piece := near.recv(PIECE):
                self._talks.wait()
                if self.loses_commits and b"COMMIT\0" in piece:
                    committing.set()
                far.sendall(piece)
        _hang_up(far)

    def _answer(self, near: socket.socket, far: socket.socket, committing: threading.Event) -> None:
        with suppress(OSError):
            while piece := far.recv(PIECE):
                self._talks.wait()
                if committing.is_set():
                    self.lost += 1
                    break
                near.sendall(piece)
        _hang_up(near)
        _hang_up(far)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
