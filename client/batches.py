"""A stream of jobs, cut into bodies small enough to be kept, and so sent again."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .errors import BadSource
from .job import set_entry

JOBS_A_BATCH = 10_000
BYTES_A_BATCH = 1 << 20


def batches(jobs: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[bytes]:
    """Bodies for `/set`, gzip, of at most 10,000 jobs and, but for a single larger job, 1 MiB before compression."""
    entries: list[bytes] = []
    size = 0
    for jobid, fields in jobs:
        try:
            entry = set_entry(jobid, fields)
        except (TypeError, ValueError, RecursionError) as problem:
            raise BadSource(f"job {jobid!r} can't be sent as JSON: {problem}") from problem
        if entries and (len(entries) == JOBS_A_BATCH or size + len(entry) > BYTES_A_BATCH):
            yield _packed(entries)
            entries, size = [], 0
        entries.append(entry)
        size += len(entry) + 1
    if entries:
        yield _packed(entries)


def _packed(entries: list[bytes]) -> bytes:
    return gzip.compress(b"{" + b",".join(entries) + b"}", compresslevel=1)
