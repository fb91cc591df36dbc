"""Refuses requests while the database file is lost."""

from collections.abc import Callable
from typing import Any

from jobserver.core.errors import DatabaseLost
from jobserver.web.responses import encode


class DatabaseCheck:
    """WSGI middleware that answers 503 while check() raises DatabaseLost."""

    def __init__(self, app: Callable[..., Any], check: Callable[[], None]) -> None:
        self._app = app
        self._check = check

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        try:
            self._check()
        except DatabaseLost as error:
            body = encode({"error": error.code, "message": str(error)})
            headers = [
                ("Content-Type", "application/json"), ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"), ("Retry-After", str(error.retry_after_s)), ("Connection", "close"),
            ]  # fmt: skip
            start_response("503 Service Unavailable", headers)
            return [body]
        return self._app(environ, start_response)
