"""Refuses ambiguous request heads: a proxy and this server could disagree about its end (request smuggling)."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00\r\n]*)\r?\n")
ONCE = (b"content-length", b"transfer-encoding", b"host")


class RecordedLines:
    """Passes the lines of a request head on to a web server's parser, and keeps them."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.lines: list[bytes] = []

    def readline(self, size: int = -1) -> bytes:
        """Reads and keeps one line."""
        line: bytes = self._stream.readline(size)
        self.lines.append(line)
        return line


def ambiguity(lines: Sequence[bytes], http_version: str) -> str | None:
    """Returns the ambiguity of a request head, without its request line; None if it is clear."""
    values: dict[bytes, bytes] = {}
    for line in lines:
        if line in (b"\r\n", b"\n", b""):
            break
        field = FIELD.fullmatch(line)
        if field is None:
            return "A header line does not have the form `Name: value`."
        name = field[1].lower()
        if name not in ONCE:
            continue
        if name in values:
            return f"Send the header {name.decode()} only once."
        values[name] = field[2].strip(b" \t")
    length, encoding = values.get(b"content-length"), values.get(b"transfer-encoding")
    if length is not None and not length.isdigit():
        return "The header content-length is a number of bytes in decimal digits."
    if encoding is not None and (encoding.lower() != b"chunked" or http_version != "HTTP/1.1"):
        return "The only transfer-encoding is chunked, in HTTP/1.1."
    if length is not None and encoding is not None:
        return "Send content-length or transfer-encoding, not both."
    return None


def refusal(message: str) -> bytes:
    """Returns the whole 400 response to an ambiguous request. Close the connection after it."""
    body = msgspec.json.encode({"error": "bad_request", "message": message})
    return (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )


class CheckedHeads:
    """Mix-in for the request handlers that derive from http.server: parse_request() refuses ambiguous heads."""

    rfile: Any
    wfile: Any
    request_version: str
    close_connection: bool

    def log_message(self, *_values: Any) -> None:
        """Does nothing: a malformed request line, of TLS for example, would write binary data to the log."""

    def parse_request(self) -> bool:
        """Parses the request line and the headers. Returns False after it has refused them."""
        stream = self.rfile
        self.rfile = recorded = RecordedLines(stream)
        try:
            parsed: bool = super().parse_request()  # type: ignore[misc]
        finally:
            self.rfile = stream
        problem = ambiguity(recorded.lines, self.request_version) if parsed else None
        if problem:
            self.wfile.write(refusal(problem))
            self.close_connection = True
            return False
        return parsed
