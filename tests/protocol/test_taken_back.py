"""A revoked claim has ended: it reports nothing, renews nothing and claims nothing."""

import uuid

import pytest

from tests.support.expire import expire
from tests.support.snapshot import jobs

WORKER = "node1:7"  # the same worker for both claims: only the tokens differ
LIFETIME = {"requeued by hand": "", "requeued": "?requeue=0", "failed": "?max_attempts=1"}


@pytest.fixture(params=LIFETIME)
def lost_claim(request, api, shared):
    """The API client, and the client token of a revoked claim on job 1."""
    api(f"/lifetime/1/600{LIFETIME[request.param]}")
    api("/set", {"1": {}, "2": {}})
    token = uuid.uuid4().hex
    assert api("/get/0", claim=token, worker=WORKER).json()["jobid"] == 1
    expire(shared, api, 1)
    api("/check_stages" + ("/1/0" if request.param == "requeued by hand" else ""))
    assert api("/get").json()["failed"] == (request.param == "failed")
    return api, token


def rows(api, shared):
    """The list's jobs in the database, after a check of the counters."""
    return jobs(shared, api("/get").json()["list"])


def test_a_lost_token_claims_nothing(lost_claim, shared):
    api, token = lost_claim
    before = rows(api, shared)
    for path in ("/get/0", "/get/0?n=2"):
        refused = api(path, claim=token)
        assert (refused.status_code, refused.json()["error"]) == (409, "claim_spent")
    assert rows(api, shared) == before


def test_a_lost_token_neither_advances_nor_renews(lost_claim, shared):
    api, token = lost_claim
    for _claimed_by_another_meanwhile in range(2):
        before = rows(api, shared)
        refused = api("/update_job/1/2", {"filename": "corrupt"}, claim=token)
        assert (refused.status_code, refused.json()["error"]) == (409, "claim_lost")
        assert api("/heartbeat", [{"jobid": 1, "claim": token}]).json()["jobs"][0]["state"] == "lost"
        assert rows(api, shared) == before
        api("/get/0", worker=WORKER)


@pytest.mark.parametrize("lost_claim", ["requeued by hand", "requeued"], indirect=True)
def test_a_release_by_a_lost_token_is_refused(lost_claim, shared):
    api, token = lost_claim
    before = rows(api, shared)
    refused = api("/update_job/1/0", {"error": "no disk"}, claim=token)
    assert (refused.status_code, refused.json()["error"]) == (409, "claim_lost")
    assert rows(api, shared) == before


def test_a_cancel_does_not_reach_the_next_claim(api, shared):
    api("/init/0/600")
    api("/set", {"1": {}})
    api("/get/0")
    assert shared.run("cancel", api("/get").json()["list"], "1").returncode == 0
    expire(shared, api, 1)
    assert api("/check_stages").json()["flagged"] == 1
    assert api("/check_stages/1/0").json()["degraded"] == 1
    claim = api("/get/0").json()["claim"]
    assert api("/heartbeat", [{"jobid": 1, "claim": claim}]).json()["jobs"][0]["state"] == "held"
