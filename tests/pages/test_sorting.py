"""Sorted tables, page by page: every job once and in order, whichever index the database uses."""

from contextlib import closing
from typing import Any

import pytest

from jobserver.core.lists import SORTS, Filter, Sort
from jobserver.core.settings import Settings
from jobserver.store.connection import Connection
from jobserver.store.queries.listing import sorted_page
from tests.support.plans import filled
from tests.support.postgresql import make_postgresql_database

JOBS, PAGE = 200, 17
STATES = {
    None: "",
    "available": " AND jobstage % 2 = 0 AND jobstage < 4 AND overdue = 0 AND outcome = 'none'",
    "working": " AND jobstage % 2 = 1 AND overdue = 0 AND outcome = 'none'",
}
COLUMN = {"job": "jobid"}  # the others are named like the sort


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def connection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """To a database with a long list (1) and a short list (2), whose jobs have times and workers in random order."""
    uri = "" if request.param == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))
    database = filled(Settings(instance=str(tmp_path_factory.mktemp("sorted")), database_uri=uri), JOBS)
    with closing(database.connect()) as new_connection:
        new_connection.execute("UPDATE job SET datecommitted = jobid * 7919 % 31, worker = 'w' || (jobid * 31 % 5)", {})
        new_connection.execute("UPDATE job SET worker = NULL, attempt = jobid % 3 WHERE jobid % 4 = 0", {})
        yield new_connection


@pytest.mark.parametrize("by", SORTS)
@pytest.mark.parametrize("list_id", [1, 2], ids=["most of the table", "a small part"])
def test_paging_returns_every_job_once_and_in_order(connection: Connection, list_id: int, by: str) -> None:
    for job_filter in (Filter(), Filter(state="available"), Filter(state="working")):
        for down in (False, True):
            check(connection, list_id, Sort(by, down), job_filter)


def check(connection: Connection, list_id: int, sort: Sort, job_filter: Filter) -> None:
    """Reads all pages of a list."""
    total = JOBS if list_id == 1 else JOBS // 10
    query = f"SELECT jobid FROM job WHERE list_id = {list_id}" + STATES[job_filter.state]
    get_page, after = [], None
    while True:
        page = sorted_page(connection, list_id, total, job_filter, 4, sort, after, PAGE)
        assert len(page.jobs) <= PAGE
        get_page += page.jobs
        if page.after is None:
            break
        assert len(page.jobs) == PAGE
        after = (page.value, page.after)
    column = COLUMN.get(sort.by, sort.by)
    keys = [(getattr(job, column) if column != "worker" else job.worker or "", job.jobid) for job in get_page]
    assert keys == sorted(keys, reverse=sort.down), (sort, job_filter)
    assert sorted(job.jobid for job in get_page) == sorted(row[0] for row in connection.all(query))
