"""Queries for what a person looks at: some jobs of a list, filtered, a page at a time by key."""

import time
from typing import Any, NamedTuple

from jobserver.core.filters import Filter
from jobserver.store.queries.events import HistoryEntry, history
from jobserver.store.queries.lists import Rows
from jobserver.store.queries.overdue import FLAGGED

SCAN = 10_000  # rows looked through in one statement
PATIENCE_S = 0.15  # then a search says how far it came
LAST_ID = 2**63 - 1


class JobRow(NamedTuple):
    """A job as a page shows it. Times in ms since 1970. What is long is cut."""

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
        """Whether it needs attention: overdue, failed or cancelled."""
        return bool(self.overdue) or self.failed

    @property
    def failed(self) -> bool:
        """Whether it failed or was cancelled: nobody claims it until it is sent back."""
        return self.outcome != "none"


class Page(NamedTuple):
    """Some jobs. `after`: the id after which the next page begins, None at the end, and `value`: what it is sorted by
    there. `whole`: False when the search gave up for now before the page was full."""

    jobs: list[JobRow]
    after: int | None
    whole: bool
    value: Any = None


# No more of a text than a page shows: some are megabytes.
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
    ORDER BY jobid + 0 LIMIT :n"""  # + 0: by the index of what is flagged, not by that of all jobs
_AT_WORK = f"""SELECT {COLUMNS} FROM job WHERE list_id = :list AND jobstage % 2 = 1 AND overdue = 0 AND outcome = 'none'
    ORDER BY jobstage, jobid LIMIT :n"""
_ONE = f"SELECT {COLUMNS}, filename, error, jobcmd, result, id FROM job WHERE list_id = :list AND jobid = :jobid"
_END = "SELECT jobid FROM job WHERE list_id = :list AND jobid > :after ORDER BY jobid LIMIT 1 OFFSET :scan"
_CHUNK = f"""SELECT {COLUMNS} FROM job WHERE list_id = :list AND jobid > :after AND jobid <= :until{{parts}}
    ORDER BY jobid LIMIT :n"""


class JobDetail(NamedTuple):
    """One job with all that is known of it."""

    shown: JobRow
    filename: str | None
    error: str | None
    jobcmd: str
    result: str | None
    history: list[HistoryEntry]


def flagged(rows: Rows, list_id: int, n: int) -> list[JobRow]:
    """Up to n jobs that are overdue or failed."""
    return [JobRow(*row) for row in rows(_FLAGGED, list=list_id, n=n)]


def at_work(rows: Rows, list_id: int, n: int) -> list[JobRow]:
    """Up to n jobs that are being worked on, and in time."""
    return [JobRow(*row) for row in rows(_AT_WORK, list=list_id, n=n)]


def page(rows: Rows, list_id: int, which: Filter, last_stage: int, after: int, n: int) -> Page:
    """n jobs with ids above `after`, by id. It looks through the list in steps, and not for longer than a person waits:
    a rare word among millions is found page by page."""
    parts, values = where(which, last_stage)
    sql = _CHUNK.format(parts=parts)
    give_up = time.monotonic() + PATIENCE_S
    found: list[JobRow] = []
    if which.jobid is not None:
        after = max(after, which.jobid - 1)
    while True:
        end = rows(_END, list=list_id, after=after, scan=SCAN) if which.jobid is None else []
        until = end[0][0] if end else LAST_ID if which.jobid is None else which.jobid
        left = n + 1 - len(found)
        found += [JobRow(*row) for row in rows(sql, list=list_id, after=after, until=until, n=left, **values)]
        if len(found) > n:
            return Page(found[:n], found[n - 1].jobid, True)
        if not end:
            return Page(found, None, True)
        after = until
        if time.monotonic() > give_up:
            return Page(found, after, False)


def flagged_ids(rows: Rows, list_id: int, which: Filter, last_stage: int, after: int, n: int) -> list[int]:
    """The ids of up to n flagged jobs that match, above `after`."""
    parts, values = where(which, last_stage)
    return [row[0] for row in rows(_FLAGGED_IDS.format(parts=parts), list=list_id, after=after, n=n, **values)]


def one(rows: Rows, list_id: int, jobid: int, n: int) -> JobDetail | None:
    """One job, with the last n entries of its history, the latest first."""
    found = rows(_ONE, list=list_id, jobid=jobid)
    if not found:
        return None
    *shown, filename, error, jobcmd, result, row_id = found[0]
    return JobDetail(JobRow(*shown), filename, error, jobcmd, result, history(rows, row_id, n))


def where(which: Filter, last_stage: int) -> tuple[str, dict[str, Any]]:
    """The filter as more conditions, with AND before each, and their values."""
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
