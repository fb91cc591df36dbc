"""The libraries that the client stands on: where one is missing, one line says what to install."""

from __future__ import annotations

import importlib.util
import shlex
import sys

# While Python looks for what -m names, this stands in place of a path: nobody imports us, a person types a command.
AS_COMMAND = sys.argv[:1] == ["-m"]
NOT_ASKED = 2


def need(*libraries: str) -> None:
    """Ends the command, or raises ModuleNotFoundError for who imports the client, if one isn't installed."""
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    if not missing:
        return
    install = shlex.join([sys.executable, "-m", "pip", "install", *missing])
    told = f"the client needs {' and '.join(missing)}: {install}"
    if not AS_COMMAND:
        raise ModuleNotFoundError(told, name=missing[0])
    print(f"error: {told}", file=sys.stderr)
    raise SystemExit(NOT_ASKED)
