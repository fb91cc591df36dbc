"""A revoked claim has ended: it reports nothing, renews nothing and claims nothing."""

import uuid

import pytest

from tests.support.late import expire
from tests.support.snapshot import jobs

WORKER = "node1:7"  # the same worker for both claims: only the tokens differ
LIFETIME = {"requeued by hand": "", "requeued": "?requeue=0", "failed": "?max_attempts=1"}


@pytest.fixture(params=LIFETIME)
def taken(request, ask, shared):
    """The request maker, and the client token of a revoked claim on job 1."""
    ask(f"/lifetime/1/600{LIFETIME[request.param]}")
    ask("/set", {"1": {}, "2": {}})
    token = uuid.uuid4().hex
    assert ask("/get/0", claim=token, worker=WORKER).json()["jobid"] == 1
    expire(shared, ask, 1)
    ask("/check_stages" + ("/1/0" if request.param == "requeued by hand" else ""))
    assert ask("/get").json()["failed"] == (request.param == "failed")
    return ask, token


def rows(ask, shared):
    """The list's jobs in the database, after a check of the counters."""
    return jobs(shared, ask("/get").json()["list"])


def test_a_lost_token_claims_nothing(taken, shared):
    ask, token = taken
    before = rows(ask, shared)
    for path in ("/get/0", "/get/0?n=2"):
        refused = ask(path, claim=token)
        assert (refused.status_code, refused.json()["error"]) == (409, "claim_spent")
    assert rows(ask, shared) == before


def test_a_lost_token_neither_advances_nor_renews(taken, shared):
    ask, token = taken
    for _claimed_by_another_meanwhile in range(2):
        before = rows(ask, shared)
        refused = ask("/update_job/1/2", {"filename": "corrupt"}, claim=token)
        assert (refused.status_code, refused.json()["error"]) == (409, "claim_lost")
        assert ask("/heartbeat", [{"jobid": 1, "claim": token}]).json()["jobs"][0]["state"] == "lost"
        assert rows(ask, shared) == before
        ask("/get/0", worker=WORKER)


@pytest.mark.parametrize("taken", ["requeued by hand", "requeued"], indirect=True)
def test_a_release_by_a_lost_token_is_refused(taken, shared):
    ask, token = taken
    before = rows(ask, shared)
    refused = ask("/update_job/1/0", {"error": "no disk"}, claim=token)
    assert (refused.status_code, refused.json()["error"]) == (409, "claim_lost")
    assert rows(ask, shared) == before


def test_a_cancel_does_not_reach_the_next_claim(ask, shared):
    ask("/init/0/600")
    ask("/set", {"1": {}})
    ask("/get/0")
    expire(shared, ask, 1)
    assert ask("/check_stages").json()["flagged"] == 1
    assert shared.run("cancel", ask("/get").json()["list"], "1").returncode == 0
    assert ask("/check_stages/1/0").json()["degraded"] == 1
    claim = ask("/get/0").json()["claim"]
    assert ask("/heartbeat", [{"jobid": 1, "claim": claim}]).json()["jobs"][0]["state"] == "held"
