"""The demo's input, existing Python files, and its output: a small JSON file for each result."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

NOT_ENTERED = {"site-packages", "dist-packages", "__pycache__"}  # installed packages are not the standard library
OUTPUTS = {0: "measured", 2: "fingerprinted"}  # stage that a job was claimed from -> name of its output


def python_files(folder: Path) -> tuple[list[str], int]:
    """All .py files below a folder, as sorted relative paths, and the number of omitted ones (names not in UTF-8)."""
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
            except UnicodeEncodeError:  # JSON cannot represent such a name
                left_out += 1
            else:
                found.append(relative)
    return sorted(found), left_out


def output_path(folder: Path, jobid: int, stage: int) -> Path:
    """The path of the result of one stage of one job."""
    return folder / f"{jobid}.{OUTPUTS[stage]}.json"


def write_output(path: Path, value: dict[str, Any]) -> None:
    """Writes a result atomically: a killed worker leaves no partial file."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as part:
        json.dump(value, part, ensure_ascii=False, separators=(",", ":"))
    os.replace(part.name, path)


def read_output(path: Path) -> dict[str, Any] | None:
    """The stored result; None if there is none."""
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return value
