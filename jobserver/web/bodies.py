"""Bodies of requests: plain, gzip or zlib, recognised by their first bytes; inflated within limits of size and
memory."""

import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from werkzeug.exceptions import ClientDisconnected

from jobserver.core.errors import BadRequest, BodyLost, DiskFull, ServerBusy, TooLarge

PIECE = 64 * 1024
IN_MEMORY = 1024 * 1024  # of a body that is spooled; the rest goes to a temporary file
YIELD_EVERY = 1024 * 1024  # inflated bytes between two yields to other requests
MAX_HELD = 256 * 1024 * 1024  # of all bodies together
ALWAYS_ACCEPTED = PIECE  # bytes of each body that do not count: small requests succeed during large ones
GZIP_OR_ZLIB = 47  # zlib's code for automatic detection of both headers


class BodyMemory:
    """The memory of all bodies in this process."""

    def __init__(self, max_bytes: int = MAX_HELD) -> None:
        self._max_bytes = max_bytes
        self._held = 0
        self._lock = threading.Lock()

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """Yields a function that records the current size of a body, until the end of the block. It raises
        ServerBusy."""
        recorded = 0

        def record(size: int) -> None:
            nonlocal recorded
            more = max(0, size - ALWAYS_ACCEPTED) - recorded
            if more <= 0:
                return
            with self._lock:
                if self._held + more > self._max_bytes:
                    raise ServerBusy("Other large requests use the server's memory; send the request again.")
                self._held += more
            recorded += more

        try:
            yield record
        finally:
            with self._lock:
                self._held -= recorded


memory = BodyMemory()


def inflated(stream: IO[bytes], max_bytes: int) -> Iterator[bytes]:
    """Yields the body in pieces of at most PIECE bytes. TooLarge as soon as they exceed max_bytes."""
    total = unyielded = 0
    for piece in _pieces(stream):
        total += len(piece)
        unyielded += len(piece)
        if total > max_bytes:
            raise TooLarge(f"The body is larger than {max_bytes / 1e6:g} MB after inflation. Send smaller requests.")
        if unyielded >= YIELD_EVERY:
            time.sleep(0)  # yields to other green threads
            unyielded = 0
        yield piece


@contextmanager
def read(stream: IO[bytes], max_bytes: int) -> Iterator[bytes]:
    """Yields the whole body; its memory counts until the end of the block."""
    with memory.hold() as record:
        content = bytearray()
        for piece in inflated(stream, max_bytes):
            record(len(content) + len(piece))
            content += piece
        yield bytes(content)


@contextmanager
def spool(stream: IO[bytes], max_bytes: int) -> Iterator[IO[bytes]]:
    """Yields the body as a file, at its start; the file is in memory if it is small."""
    with memory.hold() as record, tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        for piece in inflated(stream, max_bytes):
            record(min(file.tell() + len(piece), IN_MEMORY))
            with room():
                file.write(piece)
        file.seek(0)
        yield file


@contextmanager
def room() -> Iterator[None]:
    """Raises DiskFull if a write in this block finds no room for temporary files."""
    try:
        yield
    except OSError as error:
        raise DiskFull(f"The server has no room for a temporary file ({error.strerror}); try again later.") from error


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(PIECE)
    except (ClientDisconnected, OSError, ValueError) as error:  # ValueError: eventlet's, for a chunk length
        raise BodyLost("The body ended too early, or its chunks are malformed; send the request again.") from error


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    first = _read(stream)
    if not _is_deflated(first):
        while first:
            yield first
            first = _read(stream)
        return
    left = first
    try:
        while left:  # several gzip files may be concatenated
            inflater = zlib.decompressobj(GZIP_OR_ZLIB)
            while left and not inflater.eof:
                yield inflater.decompress(left, PIECE)
                while inflater.unconsumed_tail and not inflater.eof:  # at the end: the data after the gzip file
                    yield inflater.decompress(inflater.unconsumed_tail, PIECE)
                left = inflater.unused_data or _read(stream)
            if not inflater.eof:
                raise BadRequest("The body is incomplete gzip or zlib data.")
    except zlib.error as error:
        raise BadRequest("The body starts like gzip or zlib data, but is malformed.") from error


def _is_deflated(start: bytes) -> bool:
    """Returns whether the body starts with a gzip or zlib header. No JSON object or list starts like this."""
    if start[:2] == b"\x1f\x8b":
        return True
    return len(start) >= 2 and start[0] & 0x8F == 8 and int.from_bytes(start[:2], "big") % 31 == 0
