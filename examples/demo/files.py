"""The demo's real input: which Python files there are, and the small JSON files in which their results come back."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

NOT_ENTERED = {"site-packages", "dist-packages", "__pycache__"}  # what others installed is not the standard library
OUTPUTS = {0: "measured", 2: "fingerprinted"}  # the stage that a job was taken from -> its output's name


def python_files(folder: Path) -> tuple[list[str], int]:
    """Every .py file below a folder, as a sorted path from there; and how many were left out (names not in UTF-8)."""
    found: list[str] = []
    left_out = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_ENTERED]
        for name in names:
            path = Path(parent, name)
            if not name.endswith(".py") or not path.is_file():
                continue
            relative = path.relative_to(folder).as_posix()
            try:
                relative.encode()
            except UnicodeEncodeError:  # a job's command is JSON, which has no way to say such a name
                left_out += 1
            else:
                found.append(relative)
    return sorted(found), left_out


def output_path(folder: Path, jobid: int, stage: int) -> Path:
    """Where the result of one stage of one job goes."""
    return folder / f"{jobid}.{OUTPUTS[stage]}.json"


def write_output(path: Path, value: dict[str, Any]) -> None:
    """Writes a result whole or not at all: a worker that is killed meanwhile leaves no half of one behind."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as part:
        json.dump(value, part, ensure_ascii=False, separators=(",", ":"))
    os.replace(part.name, path)


def read_output(path: Path) -> dict[str, Any] | None:
    """A result as it was written; None where there is none."""
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return value
