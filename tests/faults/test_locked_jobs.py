"""Jobs locked by another server's transaction: the response is "nada" only if no job is available."""

from contextlib import contextmanager

import pytest

from tests.support.server import Asker
from tests.support.snapshot import opened
from tests.support.waiter import AT_ONCE_S, Waiter
from tests.support.waiting import until_blocked


@contextmanager
def locked_row(server, jobid):
    """Another server's open transaction has changed the job."""
    with opened(server) as database:
        database.run("BEGIN")
        database.run("UPDATE job SET renewed = 0 WHERE jobid = ?", jobid)
        yield
        database.run("ROLLBACK")


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_a_claim_waits_for_a_briefly_locked_job(server, jobix):
    Asker(server.url, jobix)("/set", {"1": {}, "9": {"jobstage": 1}})
    with locked_row(server, 1):
        with locked_row(server, 9):
            before = Waiter(server.url, jobix).ask("/update_job/9/2")
            until_blocked(server)
            answers = [Waiter(server.url, jobix).ask("/get/0") for _ in range(3)]  # these share a transaction
        assert before.result(AT_ONCE_S)["jobstage"] == 2
        until_blocked(server)
    told = [answer.result(AT_ONCE_S) for answer in answers]
    assert [one["jobid"] for one in told if one != "nada"] == [1]
    assert told.count("nada") == 2


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_a_locked_job_does_not_delay_claims_of_other_jobs(server, jobix):
    ask = Asker(server.url, jobix)
    ask("/set", {"1": {}, "2": {}, "3": {}, "9": {"jobstage": 1}})
    with locked_row(server, 1):
        with locked_row(server, 9):
            before = Waiter(server.url, jobix).ask("/update_job/9/2")
            until_blocked(server)
            answers = [Waiter(server.url, jobix).ask("/get/0") for _ in range(2)]
        assert before.result(AT_ONCE_S)["jobstage"] == 2
        assert sorted(answer.result(AT_ONCE_S)["jobid"] for answer in answers) == [2, 3]
    assert ask("/get/0").json()["jobid"] == 1
