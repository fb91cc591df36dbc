"""Refuses requests to foreign host names, which a web page may point at this server (DNS rebinding)."""

import socket
from collections.abc import Callable
from typing import Any

from jobserver.core.errors import HostNotAllowed
from jobserver.core.hosts import EVERY_HOST, AllowedHosts, split
from jobserver.core.settings import Settings
from jobserver.web.responses import encode


def allowed_hosts(settings: Settings, is_own_server: bool) -> AllowedHosts:
    """Returns the hosts of the setting, else this machine's names. Behind another web server, which has its own
    names, only the setting restricts them."""
    if settings.allowed_hosts:
        return AllowedHosts(split(settings.allowed_hosts))
    if not is_own_server:
        return AllowedHosts([EVERY_HOST])
    return AllowedHosts([settings.host, socket.gethostname(), socket.getfqdn()])


class Guard:
    """WSGI middleware before every request: 403 for a host that is not allowed. HTTP/1.0 requests may have no Host
    header."""

    def __init__(self, app: Callable[..., Any], hosts: AllowedHosts) -> None:
        self._app = app
        self._allows = hosts.allows

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        host = environ.get("HTTP_HOST")
        if host is not None and not self._allows(host):
            error = HostNotAllowed(
                f"This server does not answer for the host name {host[:100]!r}. If that is one of its names, add it to"
                " the server's setting JOBSERVER_ALLOWED_HOSTS."
            )
            body = encode({"error": error.code, "message": str(error)})
            headers = {
                "Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff", "Connection": "close",
            }  # fmt: skip
            start_response("403 Forbidden", list(headers.items()))
            return [body]
        return self._app(environ, start_response)
