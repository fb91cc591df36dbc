"""Protects the pages: form tokens, the origin of forms, the size of forms, return addresses and response headers."""

import logging
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import RequestEntityTooLarge

from jobserver.core.errors import CsrfMismatch, TooLarge
from jobserver.web import errors

MAX_FORM_KB = 64
MAX_FORM_PARTS = 1000
MISMATCH = "This form is too old, or it was not sent by a page of this server. Reload the page and try again."
POLICY = (
    "default-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
csrf = CSRFProtect()


def register(app: Flask, blueprints: set[str]) -> None:
    """Protects the forms of these blueprints. The worker protocol has no forms and no cookies."""
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,  # check_form() checks, for the pages only
        WTF_CSRF_TIME_LIMIT=None,  # a token is as old as its session; a page may stay open for days
        WTF_CSRF_SSL_STRICT=False,  # _require_same_origin() checks more, and without TLS too
        MAX_FORM_MEMORY_SIZE=MAX_FORM_KB * 1000,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
    )
    csrf.init_app(app)
    logging.getLogger("flask_wtf.csrf").setLevel(logging.WARNING)  # the library logs each refused form at INFO

    def check_form() -> None:
        if request.method == "POST" and request.blueprint in blueprints:
            request.max_content_length = MAX_FORM_KB * 1000
            _require_same_origin()
            csrf.protect()

    app.before_request(check_form)
    app.register_error_handler(CSRFError, lambda _: errors.respond(CsrfMismatch(MISMATCH)))
    app.register_error_handler(RequestEntityTooLarge, _form_too_large)
    app.after_request(_add_headers)


def return_path(text: str, otherwise: str) -> str:
    """Returns `text` if it is a path on this server, else `otherwise`; for redirects after a form."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable():
        return otherwise
    try:
        parts = urlsplit(text)
    except ValueError:
        return otherwise
    return otherwise if parts.scheme or parts.netloc else text


def _require_same_origin() -> None:
    """Raises CsrfMismatch if the browser says that another site sent the form. Programs send neither header."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        same = site in ("same-origin", "none")
    else:  # browsers send Sec-Fetch-Site to https and to localhost only
        same = origin is None or urlsplit(origin).netloc == request.host
    if not same:
        raise CsrfMismatch(MISMATCH)


def _form_too_large(_error: RequestEntityTooLarge) -> Response:
    return errors.respond(TooLarge(f"A form has at most {MAX_FORM_KB} KB and {MAX_FORM_PARTS:,} parts."))


def _add_headers(response: Response) -> Response:
    """Adds headers: no type guessing, no content from other sites, no display in their frames."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "same-origin"
    return response
