"""Renders results as Markdown tables, and writes them to pages of the documentation."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from pathlib import Path


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def machine() -> str:
    """Processor and versions of the machine that measures."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{os.cpu_count()} cores ({model}), {versions}"


def write_section(path: Path, mark: str, text: str) -> None:
    """Writes the text between `<!-- mark -->` and `<!-- end mark -->` of a file."""
    old = path.read_text()
    begin, end = f"<!-- {mark} -->\n", f"<!-- end {mark} -->"
    before, _, rest = old.partition(begin)
    _, mark_found, after = rest.partition(end)
    if not mark_found:
        raise ValueError(f"{path} has no section {mark}")
    path.write_text(f"{before}{begin}{text}\n{end}{after}")
