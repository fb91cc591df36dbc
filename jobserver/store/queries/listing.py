"""Queries for pages of jobs: filtered, paginated by key."""

import time
from typing import Any, NamedTuple

from jobserver.core.lists import Filter
from jobserver.store.queries.events import HistoryEntry, history
from jobserver.store.queries.lists import Rows
from jobserver.store.queries.overdue import FLAGGED

SCAN = 10_000  # rows searched by one statement
PATIENCE_S = 0.15  # then a search returns an incomplete page
LAST_ID = 2**63 - 1


class JobRow(NamedTuple):
    """A job in a table of a page. Times in ms since 1970. Long texts are cut."""

    jobid: int
    stage: int
    overdue: int
    outcome: str
    attempt: int
    worker: str | None
    since: int
    deadline: int | None
    priority: int
    renewed: int
    filename: str | None
    error: str | None
    jobcmd: str

    @property
    def flagged(self) -> bool:
        """Whether the job needs attention: overdue, failed or cancelled."""
        return bool(self.overdue) or self.failed

    @property
    def failed(self) -> bool:
        """Whether the job failed or was cancelled: no worker can claim it until a retry."""
        return self.outcome != "none"


class Page(NamedTuple):
    """A page of jobs. `after`: the id after which the next page begins, None at the end; `value`: the sort key there.
    `whole`: False if the search stopped before the page was full."""

    jobs: list[JobRow]
    after: int | None
    whole: bool
    value: Any = None


# Cut texts to the size that a page shows: some have megabytes.
COLUMNS = """jobid, jobstage, overdue, outcome, attempt, worker, datecommitted, deadline, priority, renewed,
    SUBSTR(filename, 1, 500), SUBSTR(error, 1, 500), SUBSTR(jobcmd, 1, 200)"""
_PARTS = {
    "stage": "jobstage = :stage",
    "worker": "worker = :worker",
    "jobid": "jobid = :jobid",
    "text": "(jobcmd LIKE :text ESCAPE '!' OR filename LIKE :text ESCAPE '!')",
}
_STATES = {
    "available": "jobstage % 2 = 0 AND jobstage < :last AND overdue = 0 AND outcome = 'none'",
    "working": "jobstage % 2 = 1 AND overdue = 0 AND outcome = 'none'",
    "done": "jobstage % 2 = 0 AND jobstage >= :last AND overdue = 0 AND outcome = 'none'",
    "expired": "overdue = 1",
    "failed": "outcome <> 'none'",
}
_FLAGGED = f"SELECT {COLUMNS} FROM job WHERE list_id = :list AND {FLAGGED} ORDER BY jobstage, jobid LIMIT :n"
_FLAGGED_IDS = f"""SELECT jobid FROM job WHERE list_id = :list AND {FLAGGED} AND jobid + 0 > :after{{parts}}
    ORDER BY jobid + 0 LIMIT :n"""  # + 0: the index of flagged jobs, not of all jobs
_AT_WORK = f"""SELECT {COLUMNS} FROM job WHERE list_id = :list AND jobstage % 2 = 1 AND overdue = 0 AND outcome = 'none'
    ORDER BY jobstage, jobid LIMIT :n"""
_DETAIL = f"SELECT {COLUMNS}, filename, error, jobcmd, result, id FROM job WHERE list_id = :list AND jobid = :jobid"
_END = "SELECT jobid FROM job WHERE list_id = :list AND jobid > :after ORDER BY jobid LIMIT 1 OFFSET :scan"
_CHUNK = f"""SELECT {COLUMNS} FROM job WHERE list_id = :list AND jobid > :after AND jobid <= :until{{parts}}
    ORDER BY jobid LIMIT :n"""


class JobDetail(NamedTuple):
    """A job with its full texts and history. `shown`: its row."""

    shown: JobRow
    filename: str | None
    error: str | None
    jobcmd: str
    result: str | None
    history: list[HistoryEntry]


def flagged(rows: Rows, list_id: int, n: int) -> list[JobRow]:
    """Returns up to n jobs that are overdue or failed."""
    return [JobRow(*row) for row in rows(_FLAGGED, list=list_id, n=n)]


def at_work(rows: Rows, list_id: int, n: int) -> list[JobRow]:
    """Returns up to n running jobs that are not overdue."""
    return [JobRow(*row) for row in rows(_AT_WORK, list=list_id, n=n)]


def page(rows: Rows, list_id: int, which: Filter, last_stage: int, after: int, n: int) -> Page:
    """Returns up to n matching jobs with ids above `after`, in order of their ids. Searches the list in steps, and
    stops after PATIENCE_S with an incomplete page."""
    parts, values = where(which, last_stage)
    sql = _CHUNK.format(parts=parts)
    give_up = time.monotonic() + PATIENCE_S
    jobs: list[JobRow] = []
    if which.jobid is not None:
        after = max(after, which.jobid - 1)
    while True:
        end = rows(_END, list=list_id, after=after, scan=SCAN) if which.jobid is None else []
        until = end[0][0] if end else LAST_ID if which.jobid is None else which.jobid
        left = n + 1 - len(jobs)
        jobs += [JobRow(*row) for row in rows(sql, list=list_id, after=after, until=until, n=left, **values)]
        if len(jobs) > n:
            return Page(jobs[:n], jobs[n - 1].jobid, True)
        if not end:
            return Page(jobs, None, True)
        after = until
        if time.monotonic() > give_up:
            return Page(jobs, after, False)


def flagged_ids(rows: Rows, list_id: int, which: Filter, last_stage: int, after: int, n: int) -> list[int]:
    """Returns the ids of up to n flagged jobs that match, above `after`."""
    parts, values = where(which, last_stage)
    return [row[0] for row in rows(_FLAGGED_IDS.format(parts=parts), list=list_id, after=after, n=n, **values)]


def detail(rows: Rows, list_id: int, jobid: int, n: int) -> JobDetail | None:
    """Returns a job with the last n entries of its history, newest first; None if the list has no such job."""
    matches = rows(_DETAIL, list=list_id, jobid=jobid)
    if not matches:
        return None
    *columns, filename, error, jobcmd, result, row_id = matches[0]
    return JobDetail(JobRow(*columns), filename, error, jobcmd, result, history(rows, row_id, n))


def where(which: Filter, last_stage: int) -> tuple[str, dict[str, Any]]:
    """Returns the filter as SQL conditions, with AND before each, and their values."""
    values: dict[str, Any] = {name: value for name, value in vars(which).items() if value is not None}
    parts = [_PARTS[name] for name in values if name in _PARTS]
    state = values.pop("state", None)
    if state is not None:
        parts.append(_STATES[state])
        if ":last" in _STATES[state]:
            values["last"] = last_stage
    if which.text is not None:
        values["text"] = "%" + which.text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
    return "".join(f" AND {part}" for part in parts), values
