"""A failed commit: no request that shared it is acknowledged, nothing is changed, and the server continues."""

import sys
from contextlib import contextmanager

import psutil
import pytest

from tests.support.full_disk import FULL_AT_COMMIT, NO_MORE
from tests.support.locks import locked
from tests.support.server import Asker
from tests.support.snapshot import opened
from tests.support.waiter import AT_ONCE_S, Waiter

# Before Python 3.11 a failed write is not distinguishable from a failed flush, whose outcome is unknown.
TOLD = ("database_busy",) if sys.version_info >= (3, 11) else ("database_busy", "outcome_unknown")


@contextmanager
def full_disk(server):
    """Statements succeed, and commits fail as on a full disk."""
    with opened(server) as database:
        if database.postgresql:
            for statement in FULL_AT_COMMIT:
                database.run(statement)
            yield
            database.run(NO_MORE)
        else:
            process = psutil.Process(server.process.pid)
            log = server.folder / "instance" / "jobs.sqlite-wal"
            process.rlimit(psutil.RLIMIT_FSIZE, (log.stat().st_size, psutil.RLIM_INFINITY))
            yield
            process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))


def whole(server):
    """The complete content of the database."""
    with opened(server) as database:
        return database.tables()


@pytest.mark.parametrize("number", [1, 8])
def test_a_failed_commit_is_acknowledged_to_no_request(server, jobix, number):
    ask = Asker(server.url, jobix)
    ask("/set", {str(jobid): {} for jobid in range(20)})
    before = whole(server)
    with full_disk(server):
        with locked(server):  # so that they share a commit
            answers = [Waiter(server.url, jobix).ask("/get/0") for _ in range(number)]
        for answer in answers:
            assert answer.result(AT_ONCE_S)["error"] in TOLD
    assert whole(server) == before
    assert ask("/get/0").json()["jobid"] == 0
