"""JSON responses."""

from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response

encode = msgspec.json.Encoder().encode


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Returns a JSON response with `Cache-Control: no-store`."""
    response = Response(encode(value), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if headers:
        response.headers.update(headers)
    return response
