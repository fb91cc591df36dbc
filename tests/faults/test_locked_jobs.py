"""Jobs locked by another server's transaction: the response is "nada" only if no job is available."""

from contextlib import contextmanager

import pytest

from tests.support.background_client import PROMPT_S, BackgroundClient
from tests.support.server import ApiClient
from tests.support.snapshot import opened
from tests.support.until import until_blocked


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
    ApiClient(server.url, jobix)("/set", {"1": {}, "9": {"jobstage": 1}})
    with locked_row(server, 1):
        with locked_row(server, 9):
            before = BackgroundClient(server.url, jobix).send("/update_job/9/2")
            until_blocked(server)
            # these requests share a transaction
            responses = [BackgroundClient(server.url, jobix).send("/get/0") for _ in range(3)]
        assert before.result(PROMPT_S)["jobstage"] == 2
        until_blocked(server)
    results = [response.result(PROMPT_S) for response in responses]
    assert [result["jobid"] for result in results if result != "nada"] == [1]
    assert results.count("nada") == 2


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_a_locked_job_does_not_delay_claims_of_other_jobs(server, jobix):
    api = ApiClient(server.url, jobix)
    api("/set", {"1": {}, "2": {}, "3": {}, "9": {"jobstage": 1}})
    with locked_row(server, 1):
        with locked_row(server, 9):
            before = BackgroundClient(server.url, jobix).send("/update_job/9/2")
            until_blocked(server)
            responses = [BackgroundClient(server.url, jobix).send("/get/0") for _ in range(2)]
        assert before.result(PROMPT_S)["jobstage"] == 2
        assert sorted(response.result(PROMPT_S)["jobid"] for response in responses) == [2, 3]
    assert api("/get/0").json()["jobid"] == 1
