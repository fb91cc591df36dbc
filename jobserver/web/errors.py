"""Maps exceptions to HTTP responses: the table of statuses."""

import logging

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.http import HTTP_STATUS_CODES

from job_manager_wire import shapes
from jobserver.core import errors
from jobserver.core.errors import JobServerError, log_fault
from jobserver.web.responses import json_response

STATUS: dict[type[JobServerError], int] = {
    errors.BadRequest: 400,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.ListDeleted: 410,
    errors.TooLarge: 413,
    errors.TooManyWrongSecrets: 429,
    errors.Unavailable: 503,
}
log = logging.getLogger("jobserver")


def status(error: JobServerError) -> int:
    """Returns the status of an error: that of its nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def register(app: Flask) -> None:
    """Registers the error handlers of the application."""
    app.register_error_handler(JobServerError, respond)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unknown)


def wants_html() -> bool:
    """Returns whether the client is a browser."""
    return "text/html" in request.headers.get("Accept", "")


def respond(error: JobServerError) -> Response:
    """Returns the response to an error: a page for browsers, JSON for programs."""
    headers = {}
    if isinstance(error, errors.TooManyWrongSecrets | errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.TooLarge | errors.BodyLost | errors.Unavailable):
        headers["Connection"] = "close"  # the rest of the body is not read
    return _response(status(error), error.code, str(error), headers)


def _http(error: HTTPException) -> Response:
    code = (error.name or "error").lower().replace(" ", "_")
    methods = getattr(error, "valid_methods", None)
    message, path = error.description or error.name, request.path[:100]
    if isinstance(error, NotFound) and message == NotFound.description:
        message = f"There is no page {path}." if wants_html() else f"There is no route {path}: see docs/protocol.md."
    elif isinstance(error, MethodNotAllowed) and methods:
        hint = ": with curl, add -d '{…}'" if "POST" in methods and request.method == "GET" else ""
        usable = " or ".join(sorted(set(methods) & {"GET", "POST"}))
        message = f"{path} needs {usable}, not {request.method}{hint}."
    return _response(error.code or 500, code, message, {"Allow": ", ".join(methods)} if methods else {})


def _unknown(error: Exception) -> Response:
    log_fault(log, f"a request failed: {request.method} {request.path}", error)
    return _response(500, "internal_error", "The server has an internal error; see its log.", {"Connection": "close"})


def _list_name(code: str) -> str:
    """Returns the name of the list in the address, or in the form of a page."""
    is_form = request.method == "POST" and request.blueprint in ("actions", "signin") and code != "too_large"
    return (request.values if is_form else request.args).get("list", "")[:100]


def _response(number: int, code: str, message: str, headers: dict[str, str]) -> Response:
    if wants_html():
        title = f"{number} {HTTP_STATUS_CODES.get(number, 'Error')}"
        page = render_template("error.html", title=title, message=message, code=code, list=_list_name(code))
        return Response(page, number, headers | {"Cache-Control": "no-store"})
    body: shapes.Error = {"error": code, "message": message}
    return json_response(body, number, headers)
