"""Refuses requests for foreign host names: a web page may point a name of its own at this server (DNS rebinding)."""

import socket
from collections.abc import Callable
from typing import Any

from jobserver.core.errors import HostNotAllowed
from jobserver.core.hosts import EVERY_HOST, AllowedHosts, split
from jobserver.core.settings import Settings
from jobserver.web.responses import encode


def allowed_hosts(settings: Settings, is_own_server: bool) -> AllowedHosts:
    """Returns the hosts of the setting, else this machine's names. Behind another web server, which has names of its
    own, only the setting restricts them."""
    if settings.allowed_hosts:
        return AllowedHosts(split(settings.allowed_hosts))
    if not is_own_server:
        return AllowedHosts([EVERY_HOST])
    return AllowedHosts([settings.host, socket.gethostname(), socket.getfqdn()])


class HostCheck:
    """WSGI middleware that answers 403 to a request for a host that is not allowed. HTTP/1.0 requests may have none."""

    def __init__(self, app: Callable[..., Any], hosts: AllowedHosts) -> None:
        self._app = app
        self._allows = hosts.allows

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        host = environ.get("HTTP_HOST")
        if host is None or self._allows(host):
            return self._app(environ, start_response)
        error = HostNotAllowed(
            f"This server does not answer for the host name {host[:100]!r}. If that is one of its names, add it to the"
            " server's setting JOBSERVER_ALLOWED_HOSTS."
        )
        body = encode({"error": error.code, "message": str(error)})
        headers = [
            ("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Connection", "close"),
        ]  # fmt: skip
        start_response("403 Forbidden", headers)
        return [body]
