"""Finds the server's own files, in a checkout and in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_INSTALLED = (_PACKAGE / "templates").is_dir()  # a wheel has these folders in the package, a checkout next to it

CHECKOUT = None if _INSTALLED else _PACKAGE.parent
"""The folder of app.py; None if the package was installed from a wheel."""

RESOURCES = _PACKAGE if _INSTALLED else _PACKAGE.parent
"""The folder that holds templates/, static/ and migrations/."""


def resource(path: str) -> Path:
    """Returns the absolute path of one of these folders, or of a file in them, such as "static/page.js"."""
    return RESOURCES / path
