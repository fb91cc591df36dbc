"""Encodes jobs for `/set`: numbered jobs as an object, other jobs as a list, whose ids the server chooses."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from ..errors import BadSource
from .types import as_json

JOBS_PER_BODY = 10_000
BYTES_PER_BODY = 1 << 20

NumberedJob: TypeAlias = tuple[int, Mapping[str, Any]]
ListedJob: TypeAlias = Mapping[str, Any]  # jobcmd, name, jobid, jobstage, priority; each is optional


def encode_set(jobs: Iterable[NumberedJob | ListedJob]) -> Iterator[bytes]:
    """Bodies for `/set`, gzip: at most 10,000 jobs, and 1 MiB before compression unless a single job is larger.

    A job without id and name gets a name made from its jobcmd, so that a job that is sent twice is added once.
    """
    entries: list[bytes] = []
    size = 0
    numbered: bool | None = None
    names = _Names()
    for job in jobs:
        is_numbered = not isinstance(job, Mapping)
        if numbered is None:
            numbered = is_numbered
        elif numbered != is_numbered:
            raise BadSource(f"give either all jobs as pairs such as (1, {{'jobcmd': …}}), or none: {job!r}")
        entry = _numbered(job) if is_numbered else _listed(job, names)
        if entries and (len(entries) == JOBS_PER_BODY or size + len(entry) > BYTES_PER_BODY):
            yield _compressed(entries, numbered)
            entries, size = [], 0
        entries.append(entry)
        size += len(entry) + 1
    if entries and numbered is not None:
        yield _compressed(entries, numbered)


def _numbered(job: Any) -> bytes:
    """A job of the object. Raises BadSource if it is not a pair of a whole number and an object."""
    if not (isinstance(job, tuple | list) and len(job) == 2):
        raise BadSource(f"{job!r} is not a job: give {{'jobcmd': …}}, or pairs such as (1, {{'jobcmd': …}})")
    jobid, fields = job
    if not hasattr(jobid, "__index__"):  # the integers of numpy have it too
        hint = f", or give objects without ids: {{'name': {jobid!r}, 'jobcmd': …}}" if isinstance(jobid, str) else ""
        raise BadSource(f"the jobid must be a whole number: int({jobid!r}){hint}")
    if not isinstance(fields, Mapping):
        raise BadSource(f"job {jobid}: give an object such as {{'jobcmd': …, 'priority': 0}}, not {fields!r}")
    try:
        return b'"%d":%b' % (jobid, as_json(dict(fields)))
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadSource(f"job {jobid!r} cannot be sent as JSON: {problem}") from problem


def _listed(job: Any, names: _Names) -> bytes:
    """A job of the list."""
    fields = dict(job)
    try:
        if fields.get("name") is None and fields.get("jobid") is None:
            fields["name"] = names.of(fields.get("jobcmd"))
        return as_json(fields)
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadSource(f"the job {str(fields)[:200]} cannot be sent as JSON: {problem}") from problem


class _Names:
    """Names made from jobcmds: the same jobcmd gets 0a1b…, 0a1b…-2, 0a1b…-3. Keeps about 100 bytes for each jobcmd."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def of(self, jobcmd: Any) -> str:
        """The name of the next job with this jobcmd. Raises TypeError or ValueError if that is not JSON."""
        canonical = json.dumps(jobcmd, allow_nan=False, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).digest()[:8]
        self._seen[digest] += 1
        count = self._seen[digest]
        return digest.hex() if count == 1 else f"{digest.hex()}-{count}"


def _compressed(entries: list[bytes], numbered: bool) -> bytes:
    joined = b",".join(entries)
    return gzip.compress(b"{%b}" % joined if numbered else b"[%b]" % joined, compresslevel=1)
