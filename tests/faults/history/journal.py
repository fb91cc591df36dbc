"""The file in which every request, answer and fault is written down, by many processes at once."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """A file of JSON lines. Each is one write at the file's end, so that a killed process loses at most its own last.

    Times are those of the machine's monotonic clock: the same in all processes, and never moved.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, kind: str, **said: Any) -> None:
        """Writes one line, now."""
        os.write(self._file, json.dumps({"kind": kind, "at": time.monotonic(), **said}).encode() + b"\n")


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """All that was written so far."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
