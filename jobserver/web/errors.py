"""From exceptions to answers: the one table of statuses."""

import logging

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from job_manager_wire import shapes
from jobserver.core import errors
from jobserver.core.errors import JobServerError
from jobserver.core.logs import log_fault
from jobserver.web.responses import json_response

STATUS: dict[type[JobServerError], int] = {
    errors.BadRequest: 400,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.TooManyWrongSecrets: 429,
    errors.Unavailable: 503,
}
log = logging.getLogger("jobserver")


def status(error: JobServerError) -> int:
    """The status of an error: that of the nearest of its classes in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def register(app: Flask) -> None:
    """Has every exception answered in the table's way."""
    app.register_error_handler(JobServerError, respond)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unknown)


def wants_html() -> bool:
    """Whether a browser asks."""
    return "text/html" in request.headers.get("Accept", "")


def respond(error: JobServerError) -> Response:
    """The response to an error: a page for browsers, JSON for programs."""
    headers = {}
    if isinstance(error, errors.TooManyWrongSecrets | errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.TooLarge | errors.BodyLost | errors.Unavailable):
        headers["Connection"] = "close"  # what is left of the body is not read
    return _told(status(error), error.code, str(error), headers)


def _http(error: HTTPException) -> Response:
    code = (error.name or "error").lower().replace(" ", "_")
    methods = getattr(error, "valid_methods", None)
    return _told(
        error.code or 500, code, error.description or error.name, {"Allow": ", ".join(methods)} if methods else {}
    )


def _unknown(error: Exception) -> Response:
    log_fault(log, f"a request failed: {request.method} {request.path}", error)
    return _told(500, "internal_error", "The server has a fault; its log says more.", {"Connection": "close"})


def _told(number: int, code: str, message: str, headers: dict[str, str]) -> Response:
    if wants_html():
        title = f"{number} {HTTP_STATUS_CODES.get(number, 'Error')}"
        page = render_template(
            "error.html", title=title, message=message, code=code, list=request.args.get("list", "")[:100]
        )
        return Response(page, number, headers | {"Cache-Control": "no-store"})
    body: shapes.Error = {"error": code, "message": message}
    return json_response(body, number, headers)
