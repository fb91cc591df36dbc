"""Offers the client as one file to machines that have only Python."""

from flask import Blueprint, Response, abort, send_file

from jobserver.core.resources import resource

blueprint = Blueprint("download", __name__)
FILE = "static/jm.pyz"


@blueprint.get("/jm.pyz")
def jm_pyz() -> Response:
    """The client as a Python zip application."""
    path = resource(FILE)
    if not path.is_file():
        abort(404, "This server has no jm.pyz. Run `make worker` in the server's checkout to build it.")
    return send_file(path, mimetype="application/zip", as_attachment=True, conditional=True)
