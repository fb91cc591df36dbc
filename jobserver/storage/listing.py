"""Queries for what a person looks at: some jobs of a list, by their ids."""

from typing import NamedTuple

from jobserver.storage.lists import Rows


class Shown(NamedTuple):
    """A job as a page shows it. Times in ms since 1970."""

    jobid: int
    stage: int
    flag: int
    attempt: int
    worker: str | None
    since: int
    deadline: int | None
    filename: str | None
    error: str | None
    jobcmd: str


# No more of a jobcmd than a page shows: some are megabytes.
_COLUMNS = """jobid, jobstage, flag, attempt, worker, datecommitted, deadline, filename, SUBSTR(error, 1, 500),
    SUBSTR(jobcmd, 1, 200) FROM job"""
_FIRST = f"SELECT {_COLUMNS} WHERE list_id = :list ORDER BY jobid LIMIT :n"
_FLAGGED = f"SELECT {_COLUMNS} WHERE list_id = :list AND flag > 0 ORDER BY jobstage, jobid LIMIT :n"


def first(rows: Rows, list_id: int, n: int) -> list[Shown]:
    """The n jobs with the lowest ids."""
    return [Shown(*row) for row in rows(_FIRST, list=list_id, n=n)]


def flagged(rows: Rows, list_id: int, n: int) -> list[Shown]:
    """Up to n jobs that are overdue or failed."""
    return [Shown(*row) for row in rows(_FLAGGED, list=list_id, n=n)]
