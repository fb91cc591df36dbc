"""Results as a Markdown table, for the terminal and for the page of the documentation that shows them."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from pathlib import Path


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def machine() -> str:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{os.cpu_count()} cores ({model}), {versions}"


def put(path: Path, mark: str, text: str) -> None:
    """Puts the text between `<!-- mark -->` and `<!-- end mark -->` of a file."""
    old = path.read_text()
    begin, end = f"<!-- {mark} -->\n", f"<!-- end {mark} -->"
    before, _, rest = old.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{path} has no place for {mark}")
    path.write_text(f"{before}{begin}{text}\n{end}{after}")
