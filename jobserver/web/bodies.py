"""Bodies of requests: plain, gzip or zlib, told by their bytes, inflated within a bound. Pure but for the stream."""

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from werkzeug.exceptions import ClientDisconnected

from jobserver.core.errors import BadRequest, BodyLost, DiskFull, TooLarge

PIECE = 64 * 1024
IN_MEMORY = 1024 * 1024
GZIP_OR_ZLIB = 47  # zlib's code for: either header, told by the bytes


def inflated(stream: IO[bytes], max_bytes: int) -> Iterator[bytes]:
    """The body in pieces of at most PIECE bytes. TooLarge as soon as more than max_bytes came out."""
    total = 0
    for piece in _pieces(stream):
        total += len(piece)
        if total > max_bytes:
            raise TooLarge(
                f"The body is larger than {max_bytes / 1e6:g} MB after inflation. Send less in each request."
            )
        yield piece


def read(stream: IO[bytes], max_bytes: int) -> bytes:
    """The whole body."""
    return b"".join(inflated(stream, max_bytes))


def spool(stream: IO[bytes], max_bytes: int) -> IO[bytes]:
    """The body as a file, at its start; in memory if it is small."""
    with ExitStack() as unless_whole:
        file = unless_whole.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))
        for piece in inflated(stream, max_bytes):
            with room():
                file.write(piece)
        unless_whole.pop_all()
    file.seek(0)
    return file


@contextmanager
def room() -> Iterator[None]:
    """What is written in here needs room for temporary files; DiskFull if there is none."""
    try:
        yield
    except OSError as error:
        raise DiskFull(f"The server has no room for a temporary file ({error.strerror}); try again later.") from error


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(PIECE)
    except (ClientDisconnected, OSError, ValueError) as error:  # ValueError: eventlet, of a chunk's length
        raise BodyLost("The body ended too early, or its chunks are broken; send the request again.") from error


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    first = _read(stream)
    if not _is_deflated(first):
        while first:
            yield first
            first = _read(stream)
        return
    left = first
    try:
        while left:  # gzip files may stand one behind the other
            inflater = zlib.decompressobj(GZIP_OR_ZLIB)
            while left and not inflater.eof:
                yield inflater.decompress(left, PIECE)
                while inflater.unconsumed_tail and not inflater.eof:  # at the end it holds what follows
                    yield inflater.decompress(inflater.unconsumed_tail, PIECE)
                left = inflater.unused_data or _read(stream)
            if not inflater.eof:
                raise BadRequest("The body begins like gzip or zlib, and ends too early.")
    except zlib.error as error:
        raise BadRequest(f"The body begins like gzip or zlib, and is broken: {error}.") from error


def _is_deflated(start: bytes) -> bool:
    """gzip's mark, or a zlib header: method 8, and a check by 31. No JSON object or list begins like this."""
    if start[:2] == b"\x1f\x8b":
        return True
    return len(start) >= 2 and start[0] & 0x8F == 8 and int.from_bytes(start[:2], "big") % 31 == 0
