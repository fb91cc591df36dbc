"""The few requests that workers make all day, answered without Flask's matching, context and session: these cost more
than a claim. What isn't as it most often is, and every refusal, takes the long way through Flask."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from jobserver.api.founding import routes
from jobserver.core.errors import ShuttingDown
from jobserver.web.request import Call
from jobserver.web.responses import encode
from jobserver.web.services import NAME, Services

_GET = re.compile("/get/([0-9]+)(?:/([0-9]+))?")
_UPDATE_JOB = re.compile("/update_job/([0-9]+)/([0-9]+)")
_UPDATE_JOBS = re.compile("/update_jobs")
_HEARTBEAT = re.compile("/heartbeat")
VIEWS = {
    "get": (_GET, routes.get, routes.BOTH),
    "update_job": (_UPDATE_JOB, routes.update_job, routes.BOTH),
    "update_jobs": (_UPDATE_JOBS, routes.update_jobs, ["POST"]),
    "heartbeat": (_HEARTBEAT, routes.heartbeat, ["POST"]),
}

StartResponse = Callable[..., Any]


class FastPath:
    """Before Flask."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._otherwise = app.wsgi_app
        self._services: Services = app.extensions[NAME]

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        found = VIEWS.get(path[1:].partition("/")[0])
        if found is None:
            return self._otherwise(environ, start_response)
        rule, view, methods = found
        parts = rule.fullmatch(path)
        if parts is None or environ["REQUEST_METHOD"] not in methods:
            return self._otherwise(environ, start_response)
        services = self._services
        try:
            if services.long_polls.closed:
                raise ShuttingDown(routes.CLOSED)
            body = encode(view(Call(environ, services), *parts.groups()))
        except Exception as error:
            with self._app.request_context(environ):
                return self._app.make_response(self._app.handle_user_exception(error))(environ, start_response)
        start_response(
            "200 OK",
            [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")],
        )
        return [body]
