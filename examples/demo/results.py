"""The results of all files: joined from the workers' outputs, and written as one CSV."""

import csv
import errno
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.demo.duplicates import Duplicate
from examples.demo.files import OUTPUTS, output_path, read_output
from examples.demo.fingerprint import Fingerprints
from examples.demo.measure import Function

COLUMNS = (
    "file",
    "lines",
    "functions",
    "complexity",
    "most_complex_function",
    "its_complexity",
    "duplicated_lines",
    "note",
    "measured_by",
    "fingerprinted_by",
    "attempts",
)


@dataclass(frozen=True)
class FileResult:
    """The results of one file. A missing output is None; complete: both outputs exist."""

    path: str
    measured: Mapping[str, Any] | None
    fingerprinted: Mapping[str, Any] | None

    @property
    def complete(self) -> bool:
        return self.measured is not None and self.fingerprinted is not None

    @property
    def functions(self) -> list[Function]:
        """None if the file does not parse."""
        return [Function(*facts) for facts in (self.measured or {}).get("functions", [])]

    @property
    def fingerprints(self) -> Fingerprints | None:
        found = self.fingerprinted
        if found is None or "note" in found:
            return None
        marks = tuple((mark, index) for mark, index in found["marks"])
        return Fingerprints(found["shape"], tuple(found["rows"]), tuple(found["starts"]), marks)


def collect(run_folder: Path, jobs: Mapping[int, str]) -> dict[int, FileResult]:
    """The results of all jobs, by jobid."""
    return {
        jobid: FileResult(path, *(read_output(output_path(run_folder, jobid, stage)) for stage in OUTPUTS))
        for jobid, path in jobs.items()
    }


def require_writable(path: Path) -> None:
    """Raises OSError now if write_csv() would raise it at the end."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    part = _part(path)
    part.open("w").close()
    part.unlink()


def write_csv(path: Path, results: Sequence[FileResult], duplicates: Sequence[Duplicate]) -> None:
    """Writes one row for each file, atomically; replaces an earlier CSV."""
    duplicated = _duplicated_lines(duplicates)
    part = _part(path)
    with part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows(_row(result, duplicated.get(result.path, 0)) for result in results)
    os.replace(part, path)


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _row(result: FileResult, duplicated_lines: int) -> list[object]:
    measured, fingerprinted = result.measured or {}, result.fingerprinted or {}
    functions = result.functions
    most = max(functions, key=lambda function: function.complexity, default=None)
    return [
        result.path,
        measured.get("lines", ""),
        len(functions) if "functions" in measured else "",
        sum(function.complexity for function in functions) if "functions" in measured else "",
        most.name if most else "",
        most.complexity if most else "",
        duplicated_lines,
        "; ".join(output["note"] for output in (measured, fingerprinted) if "note" in output),
        measured.get("worker", ""),
        fingerprinted.get("worker", ""),
        max(measured.get("attempt", 0), fingerprinted.get("attempt", 0)),
    ]


def _duplicated_lines(duplicates: Sequence[Duplicate]) -> dict[str, int]:
    """The number of duplicated lines of each file."""
    lines: dict[str, set[int]] = defaultdict(set)
    for duplicate in duplicates:
        for place in duplicate.places:
            lines[place.path].update(range(place.first_line, place.last_line + 1))
    return {path: len(of_it) for path, of_it in lines.items()}
