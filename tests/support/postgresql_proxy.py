"""A proxy to PostgreSQL that can lose responses."""

import socket
import threading
from contextlib import suppress

from psycopg.conninfo import conninfo_to_dict

PIECE = 65536


class PostgresqlProxy:
    """Listens on a TCP port (`uri`) and forwards bytes both ways.

    `silent`: accepts all data and forwards nothing. `loses_commits`: closes the connection instead of forwarding
    PostgreSQL's response to a COMMIT. `lost`: the number of lost responses.
    """

    def __init__(self, uri: str) -> None:
        parts = conninfo_to_dict(uri)
        self._target = f"{parts['host']}/.s.PGSQL.{parts.get('port', 5432)}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._forwards = threading.Event()
        self._forwards.set()
        self.loses_commits = False
        self.lost = 0
        port = self._listener.getsockname()[1]
        self.uri = f"postgresql://{parts['user']}@127.0.0.1:{port}/{parts['dbname']}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop_forwarding(self) -> None:
        """Stops forwarding."""
        self._forwards.clear()

    def resume_forwarding(self) -> None:
        """Forwards the delayed data, and continues."""
        self._forwards.set()

    def close(self) -> None:
        """Closes every connection."""
        self.resume_forwarding()
        for end in (self._listener, *self._sockets):
            _shut_down(end)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                database = socket.socket(socket.AF_UNIX)
                try:
                    database.connect(self._target)
                except OSError:  # PostgreSQL is not there
                    client.close()
                    database.close()
                    continue
                self._sockets += [client, database]
                committing = threading.Event()
                for forward in (self._forward_requests, self._forward_responses):
                    threading.Thread(target=forward, args=(client, database, committing), daemon=True).start()

    def _forward_requests(self, client: socket.socket, database: socket.socket, committing: threading.Event) -> None:
        with suppress(OSError):
            while piece := client.recv(PIECE):
                self._forwards.wait()
                if self.loses_commits and b"COMMIT\0" in piece:
                    committing.set()
                database.sendall(piece)
        _shut_down(database)

    def _forward_responses(self, client: socket.socket, database: socket.socket, committing: threading.Event) -> None:
        with suppress(OSError):
            while piece := database.recv(PIECE):
                self._forwards.wait()
                if committing.is_set():
                    self.lost += 1
                    break
                client.sendall(piece)
        _shut_down(client)
        _shut_down(database)


def _shut_down(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
