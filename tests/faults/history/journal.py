"""The file in which many processes record every request, response and fault."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """A file of JSON lines. Each is appended by one write, so a killed process loses at most its own last line.

    Times are those of the machine's monotonic clock: the same in all processes, and never moved.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, kind: str, **fields: Any) -> None:
        """Writes one line immediately."""
        os.write(self._file, json.dumps({"kind": kind, "at": time.monotonic(), **fields}).encode() + b"\n")


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yields all lines so far."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
