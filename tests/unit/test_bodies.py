"""Bodies: detected by their bytes, inflated within a limit, and read to the end."""

import gzip
import io
import zlib
from typing import IO

import pytest

from jobserver.core.errors import BadRequest, ServerBusy, TooLarge
from jobserver.web import bodies

TEXT = b'{"7": {"jobcmd": "' + b"x" * 100_000 + b'"}}'
PACKED = {"plain": TEXT, "zlib": zlib.compress(TEXT), "gzip": gzip.compress(TEXT)}


class Trickle(io.BytesIO):
    """A stream that returns a few bytes at a time, like a slow network."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(7, 7 if size is None or size < 0 else size))


def read(stream: IO[bytes], max_bytes: int) -> bytes:
    """The whole body."""
    with bodies.read(stream, max_bytes) as content:
        return content


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("stream", [io.BytesIO, Trickle])
def test_a_body_is_decoded_for_each_encoding_and_piece_size(encoding: str, stream: type[io.BytesIO]) -> None:
    assert read(stream(PACKED[encoding]), len(TEXT)) == TEXT
    with bodies.spool(stream(PACKED[encoding]), len(TEXT)) as file:
        assert file.read() == TEXT


@pytest.mark.parametrize("encoding", PACKED)
def test_the_limit_of_inflated_bytes_is_exact(encoding: str) -> None:
    with pytest.raises(TooLarge):
        read(io.BytesIO(PACKED[encoding]), len(TEXT) - 1)


@pytest.mark.parametrize("encoding", ["zlib", "gzip"])
def test_a_truncated_or_corrupt_compressed_body_is_refused(encoding: str) -> None:
    packed = PACKED[encoding]
    for end in range(2, len(packed)):
        with pytest.raises(BadRequest):
            read(io.BytesIO(packed[:end]), len(TEXT))
    with pytest.raises(BadRequest):
        read(io.BytesIO(packed[:-2] + b"??"), len(TEXT))


@pytest.mark.timeout(5)  # regression: this was an endless loop
@pytest.mark.parametrize("more", [b"\n", b'{"8": {}}', gzip.compress(b"{}")[:-1]], ids=["newline", "plain", "cut off"])
@pytest.mark.parametrize("encoding", ["zlib", "gzip"])
@pytest.mark.parametrize("stream", [io.BytesIO, Trickle])
@pytest.mark.parametrize("text", [TEXT, b"{}"], ids=["long", "short"])
def test_bytes_after_a_compressed_body_are_refused(
    text: bytes, encoding: str, more: bytes, stream: type[io.BytesIO]
) -> None:
    packed = zlib.compress(text) if encoding == "zlib" else gzip.compress(text)
    with pytest.raises(BadRequest):
        read(stream(packed + more), 10 * len(TEXT))


@pytest.mark.timeout(5)
@pytest.mark.parametrize("stream", [io.BytesIO, Trickle])
def test_concatenated_gzip_files_are_one_body(stream: type[io.BytesIO]) -> None:
    parts = [TEXT[:70_000], TEXT[70_000:], b"", b" "]
    packed = b"".join(map(gzip.compress, parts))
    assert read(stream(packed), len(TEXT) + 1) == TEXT + b" "
    with pytest.raises(TooLarge):
        read(stream(packed), len(TEXT))


@pytest.mark.parametrize("start", [b"", b"x", b"\x1f", b" ", b"[1]", b'"x"', b"{}", b"12"])
def test_a_short_plain_body_is_not_inflated(start: bytes) -> None:
    assert read(io.BytesIO(start), 100) == start


def test_the_memory_of_all_large_bodies_is_bounded() -> None:
    memory, free = bodies.BodyMemory(max_bytes=1000), bodies.ALWAYS_ACCEPTED
    with memory.hold() as first, memory.hold() as second:
        first(free + 600)
        first(free + 601)
        with pytest.raises(ServerBusy):
            second(free + 400)
        second(free)
        second(free + 399)
    with memory.hold() as third:
        third(free + 1000)
