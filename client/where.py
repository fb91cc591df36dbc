"""Where in the user's own code an exception came from."""

from __future__ import annotations

import os
import sysconfig
import traceback

_OURS = os.path.dirname(__file__) + os.sep
_STANDARD = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))
_INSTALLED = {"site-packages", "dist-packages"}


def place(problem: BaseException) -> str:
    """`fit.py, line 12`: the innermost line that is neither a library's nor ours; "" where there is none."""
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        if not _a_library(frame.filename):
            return f"{os.path.basename(frame.filename)}, line {frame.lineno}"
    return ""


def _a_library(path: str) -> bool:
    if path.startswith("<frozen") or _INSTALLED & set(path.split(os.sep)):
        return True
    return path.startswith((_OURS, *_STANDARD))
