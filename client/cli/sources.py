"""Reads jobs for `set`: from JSON, JSON lines or CSV, or one job for each file."""

from __future__ import annotations

import csv
import glob
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import BadSource

NumberedJob = tuple[int, Mapping[str, Any]]

ENTRY_KEYS = {"id", "jobid", "jobcmd", "jobstage", "priority"}
LARGEST_ID = 2**63 - 1


def from_path(path: str) -> Iterator[NumberedJob]:
    """The jobs in a .json, .jsonl (.ndjson) or .csv file; all except .json are read in constant memory."""
    kinds = {".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _csv}
    read = kinds.get(os.path.splitext(path)[1].lower())
    if read is None:
        raise BadSource(f"{path}: the name must end in .json, .jsonl, .ndjson or .csv, which decides how it is read")
    try:
        yield from read(path)
    except OSError as problem:
        raise BadSource(f"{path} cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise BadSource(f"{path} is not UTF-8: {problem.reason} at byte {problem.start}") from problem


def from_files(pattern: str) -> list[NumberedJob]:
    """A job for each file that matches, `{"file": path}`, numbered from 0 in the order of their names."""
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not paths:
        raise BadSource(f"no file matches {pattern!r}: check the folder and the name; put the pattern in quotes")
    for path in paths:
        if not path.isprintable():
            raise BadSource(f"the file name {path!a} is not UTF-8 text, which JSON requires: rename the file")
    return [(number, {"jobcmd": {"file": path}}) for number, path in enumerate(paths)]


def _json(path: str) -> Iterator[NumberedJob]:
    with open(path, encoding="utf-8-sig") as file:
        value = _loads(file.read(), path)
    if isinstance(value, list):
        yield from _numbered((f"{path}, item {count}", item) for count, item in enumerate(value))
        return
    if not isinstance(value, dict):
        raise BadSource(f'{path} must hold a list of jobs, or {{"<jobid>": {{"jobcmd": …}}, …}}')
    for key, fields in value.items():
        if not isinstance(fields, dict):
            raise BadSource(f'{path}: job {key!r} must be an object such as {{"jobcmd": …, "priority": 0}}')
        yield _jobid(key, f"{path}, key {key!r}"), fields


def _json_lines(path: str) -> Iterator[NumberedJob]:
    with open(path, encoding="utf-8-sig") as file:
        lines = ((f"{path}, line {number}", line) for number, line in enumerate(file, 1) if line.strip())
        yield from _numbered((where, _loads(line, where)) for where, line in lines)


def _csv(path: str) -> Iterator[NumberedJob]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        yield from _numbered(_csv_rows(csv.reader(file, strict=True), path))


def _csv_rows(rows: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row as an object with the names of the first row, with the line on which it begins."""
    names: list[str] | None = None
    while True:
        where = f"{path}, line {rows.line_num + 1}"
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as problem:
            unclosed = ": is a quote not closed?" if "end of data" in str(problem) else ""
            raise BadSource(f"{where}: {problem}{unclosed}") from problem
        if not row:
            continue  # an empty line
        if names is None:
            names = row
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise BadSource(f"{where}: the name {repeated[0]!r} occurs twice, and each column needs its own")
        elif len(row) != len(names):
            raise BadSource(f"{where}: each line needs as many values as the first line has names: {names}")
        else:
            yield where, dict(zip(names, row, strict=True))


def _numbered(items: Iterable[tuple[str, Any]]) -> Iterator[NumberedJob]:
    """Numbered from 0, or by their own `jobid` or `id`. A mixture is refused: it could give one number twice."""
    counts = itertools.count()
    named: bool | None = None
    for where, item in items:
        own = item.get("jobid", item.get("id")) if isinstance(item, dict) else None
        if named is None:
            named = own is not None
        if named != (own is not None):
            raise BadSource(f"{where}: give either all jobs a jobid (or id), or none")
        yield (_jobid(own, where) if named else next(counts)), _fields(item, where)


def _fields(item: Any, where: str) -> dict[str, Any]:
    """An object with a jobcmd and only keys of a job is a job; anything else is itself the jobcmd."""
    if not (isinstance(item, dict) and "jobcmd" in item and item.keys() <= ENTRY_KEYS):
        return {"jobcmd": item}
    fields = {"jobcmd": item["jobcmd"]}
    for name in ("jobstage", "priority"):
        if name in item:
            fields[name] = _whole(item[name], name, where)
    return fields


def _jobid(value: Any, where: str) -> int:
    jobid = _whole(value, "jobid", where)
    if not 0 <= jobid <= LARGEST_ID:
        raise BadSource(f"{where}: the jobid must be from 0 to 2^63-1, not {jobid}")
    return jobid


def _whole(value: Any, name: str, where: str) -> int:
    """A whole number, also as text, because CSV has only text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.strip().lstrip("-").isdecimal():
        return int(value)
    raise BadSource(f"{where}: {name} must be a whole number, not {value!r}")


def _loads(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as problem:
        raise BadSource(f"{where} is not JSON: {problem}") from problem


def _not_json(word: str) -> None:
    raise ValueError(f"{word} is not a JSON value")
