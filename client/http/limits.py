"""Limits on a response: total time, and size before and after decompression.

The timeouts of requests apply to each read from the socket. A server that sends one byte per second, or interim
responses without end, would never reach them.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
import zlib
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from ..errors import NotAJobServer

MAX_HEAD_BYTES = 256 << 10  # status line, headers, and interim responses such as 100 Continue
MAX_BODY_MB = 64  # a batch of 1,000 jobs with 60 KB each
MAX_RAW_BYTES = 2 * MAX_BODY_MB << 20  # with the sizes of chunks
CHUNK_BYTES = 64 << 10
GZIP_OR_ZLIB = 47  # the code of zlib for: detect either header


class _LimitedReader(io.RawIOBase):
    """Reads a socket until a total time or a number of bytes is used up."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        timeout_s = sock.gettimeout()
        self._deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        self.bytes_left = MAX_HEAD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As io has it. Raises TimeoutError, or HTTPException if the server sent too much."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        if self.bytes_left <= 0:
            raise http.client.HTTPException("the response is too large")
        if left_s != float("inf"):
            self._sock.settimeout(left_s)
        count = self._raw.readinto(buffer)
        self.bytes_left -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _LimitedSocket:
    """A socket as http.client.HTTPResponse uses one."""

    def __init__(self, reader: _LimitedReader) -> None:
        self._reader = reader

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The limited reader, buffered."""
        return io.BufferedReader(self._reader)


class _LimitedResponse(http.client.HTTPResponse):
    """A response whose head has a maximum size, and which has a maximum time as a whole."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        self._reader = _LimitedReader(sock)
        super().__init__(_LimitedSocket(self._reader), *arguments, **options)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Reads the head. The body has a limit too, as a line with the size of a chunk may have any length."""
        super().begin()
        self._reader.bytes_left = MAX_RAW_BYTES


class _Connection(HTTPConnection):
    response_class = _LimitedResponse


class _TLSConnection(HTTPSConnection):
    response_class = _LimitedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _LimitedAdapter(HTTPAdapter):
    """The adapter of requests with these limits: the read timeout is the time for the whole response."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        _limit(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        _limit(manager)
        return manager


def _limit(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class LimitedSession(requests.Session):
    """A session with these limits. It never follows a redirect, so it never reads the body of one."""

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _LimitedAdapter())
        # No compression: the bytes on the wire are the bytes that are read.
        self.headers["Accept-Encoding"] = "identity"

    def get_redirect_target(self, _resp: requests.Response) -> None:
        """No target: requests would send the jobix to whatever host."""


def read_body(response: requests.Response, shown_url: str) -> bytes:
    """The whole body, decompressed. Raises NotAJobServer if it is too large before or after that, or broken, and an
    error of requests if the connection was lost."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    inflater = zlib.decompressobj(GZIP_OR_ZLIB) if encoding in ("gzip", "x-gzip", "deflate") else None
    if inflater is None and encoding != "identity":
        response.close()
        raise NotAJobServer(f"{shown_url} sends a body with an encoding that was not requested: is the URL right?")
    body = bytearray()
    received = 0
    try:
        for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
            received += len(chunk)
            body += chunk if inflater is None else inflater.decompress(chunk, MAX_BODY_MB << 20)
            if max(received, len(body)) > MAX_BODY_MB << 20 or (inflater and inflater.unconsumed_tail):
                response.close()
                raise NotAJobServer(
                    f"{shown_url} sends more than {MAX_BODY_MB} MB in one response: is it a job server? "
                    "If it is, claim fewer jobs at once"
                )
    except zlib.error as problem:
        response.close()
        raise NotAJobServer(f"{shown_url} sends a compressed body that cannot be read: is the URL right?") from problem
    except urllib3.exceptions.ReadTimeoutError as problem:
        raise requests.exceptions.ReadTimeout(problem) from problem
    except urllib3.exceptions.HTTPError as problem:
        raise requests.exceptions.ConnectionError(problem) from problem
    if not body and not {"Content-Length", "Transfer-Encoding"} & {name.title() for name in response.headers}:
        raise requests.exceptions.ConnectionError("the connection ended within the headers")
    return bytes(body)
