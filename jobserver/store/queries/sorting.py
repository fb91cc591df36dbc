"""Pages of jobs in another order than that of their ids. Most have no index and read every job of the list."""

from typing import Any

from jobserver.core.lists import Filter, Sort
from jobserver.store.connection import Connection
from jobserver.store.queries.listing import COLUMNS, LAST_ID, JobRow, Page, where

_COLUMN = {
    "job": "jobid",
    "stage": "jobstage",
    "since": "datecommitted",
    "attempt": "attempt",
    "priority": "priority",
    "worker": "COALESCE(worker, '')",
}
_SORTED = f"""SELECT {{column}}, {COLUMNS} FROM job WHERE id IN (
    SELECT id FROM {{jobs}} ORDER BY sorted {{way}}, jobid {{way}} LIMIT :n)
    ORDER BY {{column}} {{way}}, jobid {{way}}"""
# SQLite keeps the best n jobs during the scan. Later jobs mostly have higher ids and times: an ascending sort replaces
# few of the kept jobs, and so does a descending sort if the scan begins at the end.
_JOBS = "(SELECT id, jobid, {column} AS sorted FROM job WHERE {list} = :list{parts}{order}) AS listed"
_FROM_THE_END = f" ORDER BY {{place}} DESC LIMIT {LAST_ID}"


def sorted_page(
    connection: Connection,
    list_id: int,
    jobs: int,
    which: Filter,
    last_stage: int,
    sort: Sort,
    after: tuple[Any, int] | None,
    n: int,
) -> Page:
    """Returns up to n matching jobs in that order, after (value, id) if given. `jobs`: the number of jobs in the
    list."""
    parts, values = where(which, last_stage)
    column, way, beyond = _COLUMN[sort.by], "DESC" if sort.down else "ASC", "<" if sort.down else ">"
    if after is not None:
        parts += f" AND ({column}, jobid) {beyond} (:value, :after)"
        values |= {"value": after[0], "after": after[1]}
    listed, order = "list_id", ""
    if connection.dialect.scan_order_matters and not _has_index(which, sort):
        place = "jobid"
        if 3 * jobs > connection.all("SELECT COALESCE(MAX(id), 0) FROM job")[0][0]:
            listed, place = "+list_id", "id"  # most of the table: faster without the list's index
        order = _FROM_THE_END.format(place=place) if sort.down else ""
    all_jobs = _JOBS.format(column=column, list=listed, parts=parts, order=order)
    sql = _SORTED.format(column=column, way=way, jobs=all_jobs)
    matches = connection.all(sql, list=list_id, n=n + 1, **values)
    page = [JobRow(*row[1:]) for row in matches[:n]]
    more = len(matches) > n
    return Page(page, page[-1].jobid if more else None, True, matches[n - 1][0] if more else None)


def _has_index(which: Filter, sort: Sort) -> bool:
    """Returns whether an index serves the filter or the order."""
    return sort.by == "job" or which.jobid is not None or which.state == "working"
