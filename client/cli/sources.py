"""Reads jobs for `set`: from JSON, JSON lines or CSV, or one job for each file."""

from __future__ import annotations

import csv
import glob
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..api.submission import ListedJob, NumberedJob
from ..errors import BadSource

ENTRY_KEYS = {"id", "jobid", "name", "jobcmd", "jobstage", "priority"}
LARGEST_ID = 2**63 - 1
LONGEST_NAME = 200


def from_path(path: str) -> Iterator[NumberedJob | ListedJob]:
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


def from_files(pattern: str) -> list[dict[str, Any]]:
    """A job for each file that matches, `{"file": path}`, named by its path, in the order of the paths."""
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not paths:
        raise BadSource(f"no file matches {pattern!r} in {os.getcwd()}: check the folder and the names")
    for path in paths:
        if not path.isprintable():
            raise BadSource(
                f"the file name {path!a} is not printable UTF-8 text, which a job requires: rename the file"
            )
    # Without a name, for a path that is too long, the client makes a name from the jobcmd.
    return [{"name": path if len(path) <= LONGEST_NAME else None, "jobcmd": {"file": path}} for path in paths]


def _json(path: str) -> Iterator[NumberedJob | ListedJob]:
    with open(path, encoding="utf-8-sig") as file:
        value = _loads(file.read(), path)
    if isinstance(value, list):
        yield from _jobs(_item(f"{path}, item {count}", item) for count, item in enumerate(value))
        return
    if not isinstance(value, dict):
        raise BadSource(f'{path} must hold a list of jobs, or {{"<jobid>": {{"jobcmd": …}}, …}}')
    for key, fields in value.items():
        if not isinstance(fields, dict):
            raise BadSource(f'{path}: job {key!r} must be an object such as {{"jobcmd": …, "priority": 0}}')
    yield from _jobs(_Item(f"{path}, key {key!r}", key, fields.get("name"), fields) for key, fields in value.items())


def _json_lines(path: str) -> Iterator[NumberedJob | ListedJob]:
    with open(path, encoding="utf-8-sig") as file:
        lines = ((f"{path}, line {number}", line) for number, line in enumerate(file, 1) if line.strip())
        yield from _jobs(_item(where, _loads(line, where)) for where, line in lines)


def _csv(path: str) -> Iterator[NumberedJob | ListedJob]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        yield from _jobs(itertools.starmap(_item, _csv_rows(csv.reader(file, strict=True), path)))


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


class _Item(NamedTuple):
    """A job of a file. `where`: its place, for errors. `jobid`, `name`: None if it has none; not checked."""

    where: str
    jobid: Any
    name: Any
    fields: Mapping[str, Any]


def _item(where: str, value: Any) -> _Item:
    """An item of a list, a line or a row."""
    if not isinstance(value, dict):
        return _Item(where, None, None, {"jobcmd": value})
    return _Item(where, value.get("jobid", value.get("id")), value.get("name"), _fields(value, where))


def _jobs(items: Iterable[_Item]) -> Iterator[NumberedJob | ListedJob]:
    """Jobs that all have a whole number as id, or jobs without ids. A mixture is refused: the server could choose an id
    that a later job has. A text as id is the name of the job."""
    numbered: bool | None = None
    for item in items:
        where, jobid, name = item.where, item.jobid, item.name
        if isinstance(jobid, str) and not _is_number(jobid):
            if name not in (None, jobid):
                raise BadSource(f"{where}: the name is {name!r}, so the jobid must be a whole number, not {jobid!r}")
            jobid, name = None, jobid
        if numbered is None:
            numbered = jobid is not None
        if numbered != (jobid is not None):
            raise BadSource(f"{where}: give either all jobs a whole number as jobid (or id), or none. A text is a name")
        fields = item.fields if name is None else {**item.fields, "name": _name(name, where)}
        yield fields if jobid is None else (_jobid(jobid, where), fields)


def _fields(item: dict[str, Any], where: str) -> dict[str, Any]:
    """An object with a jobcmd and only keys of a job is a job; anything else is itself the jobcmd."""
    if not ("jobcmd" in item and item.keys() <= ENTRY_KEYS):
        return {"jobcmd": item}
    fields = {"jobcmd": item["jobcmd"]}
    for name in ("jobstage", "priority"):
        if name in item:
            fields[name] = _whole(item[name], name, where)
    return fields


def _name(value: Any, where: str) -> str:
    if not (isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()):
        raise BadSource(f"{where}: a name must be a text of 1 to {LONGEST_NAME} printable characters, not {value!r}")
    return value


def _jobid(value: Any, where: str) -> int:
    jobid = _whole(value, "jobid", where)
    if not 0 <= jobid <= LARGEST_ID:
        raise BadSource(f"{where}: the jobid must be from 0 to 2^63-1, not {jobid}")
    return jobid


def _is_number(text: str) -> bool:
    return text.isascii() and text.strip().lstrip("-").isdecimal()


def _whole(value: Any, name: str, where: str) -> int:
    """A whole number, also as text, because CSV has only text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _is_number(value):
        return int(value)
    raise BadSource(f"{where}: {name} must be a whole number, not {value!r}")


def _loads(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as problem:
        raise BadSource(f"{where} is not JSON: {problem}") from problem


def _not_json(word: str) -> None:
    raise ValueError(f"{word} is not a JSON value")
