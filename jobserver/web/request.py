"""A worker's request as the protocol sees it: headers, parameters and a body; of Flask, or of WSGI alone."""

from collections.abc import Mapping
from functools import cached_property
from typing import IO, Any
from urllib.parse import parse_qsl

from werkzeug.wsgi import get_input_stream

from jobserver.web.services import Services


class Call:
    """One request, and the parts of the server that it came to."""

    def __init__(self, environ: dict[str, Any], services: Services) -> None:
        self.environ = environ
        self.services = services

    def header(self, name: str) -> str | None:
        """A header, as WSGI hands it over: Latin-1."""
        value: str | None = self.environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return value

    @cached_property
    def args(self) -> Mapping[str, str]:
        """The query's parameters; of one that is given twice, the first."""
        query = self.environ.get("QUERY_STRING")
        if not query:
            return {}
        pairs = parse_qsl(query.encode("latin-1").decode(errors="replace"), keep_blank_values=True)
        return dict(reversed(pairs))

    @property
    def has_body(self) -> bool:
        """Whether there may be one."""
        return self.environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in self.environ

    @property
    def stream(self) -> IO[bytes]:
        """The body, as it comes."""
        return get_input_stream(self.environ)

    @property
    def max_bytes(self) -> int:
        """How large the body may be, after inflation."""
        return self.services.settings.max_body_mb * 1_000_000

    @property
    def address(self) -> str | None:
        """Where it comes from."""
        found: str | None = self.environ.get("REMOTE_ADDR")
        return found
