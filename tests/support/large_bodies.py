"""Bodies far above a server's limit, and the memory that it needs to refuse them."""

import socket
import threading
import zlib

import psutil
import requests

MB = 1_000_000
ROUTES = ["/set", "/update_job/1/2", "/update_jobs", "/heartbeat"]
ZEROS = b"0" * MB


class Memory:
    """The maximum growth of a server's memory in MB."""

    def __init__(self, server):
        self._process = psutil.Process(server.process.pid)
        self._before = self._highest = self._process.memory_info().rss
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._ended.wait(0.005):
            self._highest = max(self._highest, self._process.memory_info().rss)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._ended.set()
        self._thread.join()
        self.grown_mb = (self._highest - self._before) / MB


def bomb(wbits):
    """8 GB compressed to 8 MB by repeating one piece. The end is missing, because no server reads so far."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    start = packer.compress(b'{"1": {"jobcmd": ') + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(ZEROS * 16) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + piece * 512


def stream(server, path, head, pieces):
    """Sends pieces until the response. Returns the number of sent pieces and the response."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    accepted_mb = 0

    def push():
        nonlocal accepted_mb
        try:
            for piece in pieces:
                connection.sendall(piece)
                accepted_mb += 1
        except OSError:
            pass

    with connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\n%s\r\n\r\n" % (path.encode(), head))
        pushing = threading.Thread(target=push)
        pushing.start()
        response = connection.recv(65536)
        by_then = accepted_mb
        assert requests.get(server.url + "/", timeout=10).status_code == 200
        connection.close()
        pushing.join()
    return by_then, response
