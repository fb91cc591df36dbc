"""Queries for pages of jobs: filtered, paginated by key, in the order of their ids or in another order.

Most of the other orders have no index: their pages read every job of the list.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from jobserver.core.lists import Filter, Sort
from jobserver.core.operations import Target, claim_id
from jobserver.store.connection import Connection
from jobserver.store.queries.events import HistoryEntry, history
from jobserver.store.queries.lists import Rows
from jobserver.store.queries.requeuing import FLAGGED

SCAN = 10_000  # rows searched by one statement
SEARCH_TIMEOUT_S = 0.15  # then a search returns an incomplete page
_LAST_ID = 2**63 - 1


class JobRow(NamedTuple):
    """A job in a table of a page. Times in ms since 1970. Long texts are cut."""

    jobid: int
    stage: int
    overdue: int
    outcome: str
    condition: str
    attempt: int
    worker: str | None
    since: int
    deadline: int | None  # the end of its lifetime, ms
    priority: int
    renewed: int  # the start of this lifetime, ms
    filename: str | None
    error: str | None
    jobcmd: str
    name: str | None
    claim: str  # its claim_id()

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
    `complete`: False if the search stopped before the page was full."""

    jobs: list[JobRow]
    after: int | None
    complete: bool
    value: Any = None


# Cut texts to the size that a page shows: some have megabytes.
# A lease is not shown: its worker renews it all the time. Its time limit begins with the claim.
_COLUMNS = """jobid, jobstage, overdue, outcome, condition, attempt, worker, datecommitted,
    CASE WHEN lease_ms IS NULL THEN deadline ELSE lifetime_end END, priority,
    CASE WHEN lease_ms IS NULL THEN renewed ELSE claimed END,
    SUBSTR(filename, 1, 500), SUBSTR(error, 1, 500), SUBSTR(jobcmd, 1, 200), name, claim"""
_PARTS = {
    "stage": "jobstage = :stage",
    "worker": "worker = :worker",
    "jobid": "jobid = :jobid",
    "text": "(jobcmd {like} :text ESCAPE '!' OR filename {like} :text ESCAPE '!' OR name {like} :text ESCAPE '!')",
}
_STATES = {
    "available": "jobstage % 2 = 0 AND jobstage < :last AND overdue = 0 AND outcome = 'none'",
    "working": "jobstage % 2 = 1 AND overdue = 0 AND outcome = 'none'",
    "done": "jobstage % 2 = 0 AND jobstage >= :last AND overdue = 0 AND outcome = 'none'",
    "expired": "overdue = 1",
    "failed": "outcome = 'failed'",
    "cancelled": "outcome = 'cancelled'",
    "skipped": "condition = 'skipped'",
}
_FLAGGED = f"SELECT {_COLUMNS} FROM job WHERE list_id = :list AND {FLAGGED} ORDER BY jobstage, jobid LIMIT :n"
_FLAGGED_IDS = f"""SELECT jobid, jobstage, claim FROM job
    WHERE list_id = :list AND {FLAGGED} AND jobid + 0 > :after{{parts}}
    ORDER BY jobid + 0 LIMIT :n"""  # + 0: the index of flagged jobs, not of all jobs
_AT_WORK = f"""SELECT {_COLUMNS} FROM job WHERE list_id = :list AND jobstage % 2 = 1 AND overdue = 0
    AND outcome = 'none' ORDER BY jobstage, jobid LIMIT :n"""
_DETAIL = f"SELECT {_COLUMNS}, filename, error, jobcmd, result, id FROM job WHERE list_id = :list AND jobid = :jobid"
_END = "SELECT jobid FROM job WHERE list_id = :list AND jobid > :after ORDER BY jobid LIMIT 1 OFFSET :scan"
_IDS = """SELECT jobid, jobstage, claim FROM job WHERE list_id = :list AND jobid > :after AND jobid <= :until{parts}
    ORDER BY jobid"""
_CHUNK = f"""SELECT {_COLUMNS} FROM job WHERE list_id = :list AND jobid > :after AND jobid <= :until{{parts}}
    ORDER BY jobid LIMIT :n"""
_SORT_COLUMN = {
    "job": "jobid",
    "stage": "jobstage",
    "since": "datecommitted",
    "attempt": "attempt",
    "priority": "priority",
    "worker": "COALESCE(worker, '')",
}
_SORTED = f"""SELECT {{column}}, {_COLUMNS} FROM job WHERE id IN (
    SELECT id FROM {{jobs}} ORDER BY sorted {{way}}, jobid {{way}} LIMIT :n)
    ORDER BY {{column}} {{way}}, jobid {{way}}"""
# SQLite keeps the best n jobs during the scan. Later jobs mostly have higher ids and times: an ascending sort replaces
# few of the kept jobs, and so does a descending sort if the scan begins at the end.
_SORTED_JOBS = "(SELECT id, jobid, {column} AS sorted FROM job WHERE {list} = :list{parts}{order}) AS listed"
_FROM_THE_END = f" ORDER BY {{place}} DESC LIMIT {_LAST_ID}"


class JobDetail(NamedTuple):
    """A job with its full texts and history. `row`: the texts cut for a table."""

    row: JobRow
    filename: str | None
    error: str | None
    jobcmd: str
    result: str | None
    history: list[HistoryEntry]


def flagged(rows: Rows, list_id: int, n: int) -> list[JobRow]:
    """Returns up to n jobs that are overdue or failed."""
    return [_job_row(row) for row in rows(_FLAGGED, list=list_id, n=n)]


def at_work(rows: Rows, list_id: int, n: int) -> list[JobRow]:
    """Returns up to n running jobs that are not overdue."""
    return [_job_row(row) for row in rows(_AT_WORK, list=list_id, n=n)]


def page(rows: Rows, list_id: int, job_filter: Filter, last_stage: int, after: int, n: int) -> Page:
    """Returns up to n matching jobs with ids above `after`, in order of their ids. Searches the list in steps, and
    stops after SEARCH_TIMEOUT_S with an incomplete page."""
    parts, values = _where(job_filter, last_stage)
    sql = _CHUNK.format(parts=parts)
    give_up = time.monotonic() + SEARCH_TIMEOUT_S
    jobs: list[JobRow] = []
    if job_filter.jobid is not None:
        after = max(after, job_filter.jobid - 1)
    while True:
        end = rows(_END, list=list_id, after=after, scan=SCAN) if job_filter.jobid is None else []
        until = end[0][0] if end else _LAST_ID if job_filter.jobid is None else job_filter.jobid
        left = n + 1 - len(jobs)
        jobs += [_job_row(row) for row in rows(sql, list=list_id, after=after, until=until, n=left, **values)]
        if len(jobs) > n:
            return Page(jobs[:n], jobs[n - 1].jobid, True)
        if not end:
            return Page(jobs, None, True)
        after = until
        if time.monotonic() > give_up:
            return Page(jobs, after, False)


def sorted_page(
    connection: Connection,
    list_id: int,
    jobs: int,
    job_filter: Filter,
    last_stage: int,
    sort: Sort,
    after: tuple[Any, int] | None,
    n: int,
) -> Page:
    """Returns up to n matching jobs in that order, after (value, id) if given. `jobs`: the number of jobs in the
    list."""
    parts, values = _where(job_filter, last_stage)
    column, way, beyond = _SORT_COLUMN[sort.by], "DESC" if sort.down else "ASC", "<" if sort.down else ">"
    if after is not None:
        parts += f" AND ({column}, jobid) {beyond} (:value, :after)"
        values |= {"value": after[0], "after": after[1]}
    listed, order = "list_id", ""
    if connection.dialect.scan_order_matters and not _has_index(job_filter, sort):
        place = "jobid"
        if 3 * jobs > connection.all("SELECT COALESCE(MAX(id), 0) FROM job")[0][0]:
            listed, place = "+list_id", "id"  # most of the table: faster without the list's index
        order = _FROM_THE_END.format(place=place) if sort.down else ""
    all_jobs = _SORTED_JOBS.format(column=column, list=listed, parts=parts, order=order)
    sql = _SORTED.format(column=column, way=way, jobs=all_jobs)
    matches = connection.all(sql, list=list_id, n=n + 1, **values)
    page = [_job_row(row[1:]) for row in matches[:n]]
    more = len(matches) > n
    return Page(page, page[-1].jobid if more else None, True, matches[n - 1][0] if more else None)


class Matching(NamedTuple):
    """Some jobs. `after`: the id after which the search continues; None at the end."""

    jobs: list[Target]
    after: int | None


def matching(
    rows: Rows, list_id: int, job_filter: Filter, last_stage: int, after: int, n: int, flagged: bool = False
) -> Matching:
    """Returns the matching jobs among the next n jobs, or flagged jobs, above `after`; with their places if these could
    change so that the filter no longer matches."""
    parts, values = _where(job_filter, last_stage)
    if flagged:
        sql = _FLAGGED_IDS.format(parts=parts)
        jobs = [_target(row, job_filter) for row in rows(sql, list=list_id, after=after, n=n, **values)]
        return Matching(jobs, jobs[-1].jobid if len(jobs) == n else None)
    end = rows(_END, list=list_id, after=after, scan=n - 1)
    until = end[0][0] if end else _LAST_ID
    found = rows(_IDS.format(parts=parts), list=list_id, after=after, until=until, **values)
    return Matching([_target(row, job_filter) for row in found], until if end else None)


def _target(row: Sequence[Any], job_filter: Filter) -> Target:
    jobid, stage, token = row
    by_place = job_filter.stage is not None or job_filter.state is not None or job_filter.worker is not None
    return Target(jobid, stage, claim_id(token)) if by_place else Target(jobid)


def detail(rows: Rows, list_id: int, jobid: int, n: int) -> JobDetail | None:
    """Returns a job with the last n entries of its history, newest first; None if the list has no such job."""
    matches = rows(_DETAIL, list=list_id, jobid=jobid)
    if not matches:
        return None
    *columns, filename, error, jobcmd, result, row_id = matches[0]
    return JobDetail(_job_row(columns), filename, error, jobcmd, result, history(rows, row_id, n))


def _job_row(columns: Sequence[Any]) -> JobRow:
    *shown, token = columns
    return JobRow._make([*shown, claim_id(token)])


def _where(job_filter: Filter, last_stage: int) -> tuple[str, dict[str, Any]]:
    """Returns the filter as SQL conditions, with AND before each, and their values."""
    values: dict[str, Any] = {name: value for name, value in vars(job_filter).items() if value is not None}
    parts = [_PARTS[name] for name in values if name in _PARTS]
    state = values.pop("state", None)
    if state is not None:
        parts.append(_STATES[state])
        if ":last" in _STATES[state]:
            values["last"] = last_stage
    if job_filter.text is not None:
        values["text"] = "%" + job_filter.text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
    return "".join(f" AND {part}" for part in parts), values


def _has_index(job_filter: Filter, sort: Sort) -> bool:
    """Returns whether an index serves the filter or the order."""
    return sort.by == "job" or job_filter.jobid is not None or job_filter.state == "working"
