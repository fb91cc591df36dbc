"""Jobs beyond their lifetime are flagged, requeued or failed; and requeues by /check_stages."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.expire import expire
from tests.support.server import ApiClient
from tests.support.snapshot import jobs
from tests.support.until import until

SHORT_MINUTES = "0.0001"  # minutes: 6 ms
LONG = "600"


def progress(api, *keys):
    """Some of the list's counts."""
    response = api("/get").json()
    return tuple(response[key] for key in keys)


def rows(api, shared):
    """The list's jobs in the database, after a check of the counters."""
    return jobs(shared, api("/get").json()["list"])


def test_the_server_flags_the_job_of_a_dead_worker(api):
    api("/init/0/0.005")  # 0.3 s
    api("/set", {"1": {}, "2": {}})
    api("/get/0")
    start_s = time.monotonic()
    until(lambda: progress(api, "flagged") == (1,))
    assert 0.2 < time.monotonic() - start_s < 5
    assert progress(api, "working", "available", "failed") == (1, 1, 0)


def test_an_available_job_can_be_flagged_and_still_claimed(api):
    api(f"/init/{SHORT_MINUTES}/{LONG}")
    api("/set", {"1": {}})
    until(lambda: progress(api, "flagged") == (1,))
    assert api("/get/0").json()["jobid"] == 1
    assert progress(api, "flagged", "working") == (0, 1)


def test_check_stages_flags_at_once_and_returns_the_number(api, shared):
    api(f"/init/0/{LONG}")
    api("/set", {str(i): {} for i in range(5)})
    api("/get/0?n=4")
    assert api("/check_stages").json() == {"ok": True, "flagged": 0, "degraded": 0}
    expire(shared, api, 0, 2, 3)
    assert api("/check_stages", method="POST").json() == {"ok": False, "flagged": 3, "degraded": 0}


def test_check_stages_requeues_flagged_jobs_and_ends_their_claims(api, shared):
    api(f"/init/0/{LONG}")
    api("/set", {str(i): {} for i in range(4)})
    held = {job["jobid"]: job["claim"] for job in api("/get/0?n=4").json()}
    expire(shared, api, 1, 3)
    assert api("/check_stages/1/0").json() == {"ok": True, "flagged": 0, "degraded": 2}
    assert api("/check_stages/1/0").json() == {"ok": True, "flagged": 0, "degraded": 0}
    requeued = rows(api, shared)
    assert [requeued[i]["jobstage"] for i in range(4)] == [1, 0, 1, 0]
    assert [requeued[i]["claim"] is None for i in range(4)] == [False, True, False, True]
    assert api("/update_job/3/2", claim=held[3]).status_code == 409
    assert api("/update_job/2/2", claim=held[2]).status_code == 200
    assert [job["attempt"] for job in api("/get/0?n=9").json()] == [2, 2]


def test_check_stages_requeues_the_named_stage_only(api, shared):
    api(f"/init/0/{LONG}/0/{LONG}")
    api("/set", {"1": {"jobstage": 1}, "2": {"jobstage": 3}})
    expire(shared, api, 1, 2)
    assert api("/check_stages/3/2").json() == {"ok": False, "flagged": 1, "degraded": 1}
    assert {jobid: one["jobstage"] for jobid, one in rows(api, shared).items()} == {1: 1, 2: 2}
    assert api("/get/2").json()["jobid"] == 2


@pytest.mark.parametrize("path", ["/check_stages/1/2", "/check_stages/2/2", "/check_stages/5/3", "/check_stages/x/0"])
def test_jobs_are_requeued_to_a_lower_even_stage_only(api, path):
    assert api(path).status_code == 400


def test_expired_jobs_can_be_requeued_automatically(api):
    api(f"/lifetime/1/{SHORT_MINUTES}?requeue=0&max_attempts=0")
    api("/set", {"1": {}})
    stale = api("/get/0").json()["claim"]
    assert until(lambda: api("/get/0").json() != "nada" and progress(api, "flagged") == (0,))
    assert api("/update_job/1/2", claim=stale).json()["error"] == "claim_lost"


def test_a_job_that_expired_too_often_fails_and_is_not_claimed(api, shared):
    api(f"/lifetime/1/{LONG}?requeue=0&max_attempts=3")
    api("/set", {"1": {}})
    for attempt in (1, 2, 3):
        job = api("/get/0").json()
        assert job["attempt"] == attempt
        expire(shared, api, 1)
        api("/check_stages")
    assert api("/get/0").json() == "nada"
    assert progress(api, "failed", "flagged", "working") == (1, 1, 0)
    assert rows(api, shared)[1]["error"] == "expired"
    assert api("/update_job/1/2", claim=job["claim"]).status_code == 409
    assert api("/heartbeat", [{"jobid": 1, "claim": job["claim"]}]).json()["jobs"][0]["state"] == "lost"


def test_a_job_with_too_many_errors_fails_with_its_last_error(api, shared):
    api("/lifetime/1/0?max_attempts=2")
    api("/set", {"1": {}})
    api("/get/0")
    assert api("/update_job/1/0", {"error": "no disk"}).json()["jobstage"] == 0
    claim = api("/get/0").json()["claim"]
    response = api("/update_job/1/0", {"error": "no memory"}, claim=claim).json()
    assert (response["jobstage"], response["failed"]) == (1, True)
    assert api("/update_job/1/0", {"error": "no memory"}, claim=claim).json() == response
    assert progress(api, "failed", "flagged", "working", "available") == (1, 1, 0, 0)
    assert rows(api, shared)[1]["error"] == "no memory"
    name = api("/get").json()["list"]
    assert "no memory" in api(f"/get?list={name}", Accept="text/html").text


def test_five_attempts_are_the_default_and_zero_is_unlimited(api):
    api("/set", {"1": {}, "2": {"jobstage": 2}})
    api("/lifetime/3/0?max_attempts=0")
    for stage in (0, 2):
        failed = []
        for _attempt in range(7):
            if (job := api(f"/get/{stage}").json()) != "nada":
                failed.append(api(f"/update_job/{job['jobid']}/{stage}", {"error": "x"}).json().get("failed", False))
        assert failed == ([False] * 4 + [True] if stage == 0 else [False] * 7)


def test_a_release_without_an_error_is_not_a_failure(api):
    api("/lifetime/1/0?max_attempts=1")
    api("/set", {"1": {}})
    for attempt in (1, 2, 3):
        assert api("/get/0").json()["attempt"] == attempt
        assert "failed" not in api("/update_job/1/0").json()


@pytest.mark.parametrize("requeued", ["/update_job/1/0", "/check_stages/1/0"])
def test_a_retry_of_a_failed_job_resets_its_attempts(api, requeued):
    api("/lifetime/1/0?max_attempts=2")
    api("/set", {"1": {}})
    for _round in range(2):
        for attempt in (1, 2):
            assert api("/get/0").json()["attempt"] == attempt
            api("/update_job/1/0", {"error": "x"})
        assert api("/get/0").json() == "nada"
        assert progress(api, "failed", "flagged") == (1, 1)
        assert api(requeued).status_code == 200
        assert progress(api, "failed", "flagged", "available") == (0, 0, 1)


@pytest.mark.parametrize("route", ["requeue", "degrade"])
def test_a_job_is_either_completed_or_requeued_in_a_race(api, shared, route):
    number = 48
    api(f"/lifetime/1/{LONG}?max_attempts=0" + ("&requeue=0" if route == "requeue" else ""))
    api("/set", {str(i): {} for i in range(number)})
    held = {job["jobid"]: job["claim"] for job in api("/get/0?n=100", claim=uuid.uuid4().hex).json()}
    expire(shared, api, *range(0, number, 2))  # the other jobs must not be affected

    def finish(part):
        own = ApiClient(shared.url, api.jobix)
        return {i: own(f"/update_job/{i}/2", claim=held[i]).status_code for i in range(part, number, 6)}

    def sweep(_part):
        own = ApiClient(shared.url, api.jobix)
        return [own("/check_stages" + ("" if route == "requeue" else "/1/0")).status_code for _ in range(4)]

    with ThreadPoolExecutor(8) as pool:
        sweeps = [pool.submit(sweep, part) for part in range(2)]
        statuses = {i: status for part in pool.map(finish, range(6)) for i, status in part.items()}
    assert all(future.result() == [200] * 4 for future in sweeps)
    stages = {i: row["jobstage"] for i, row in rows(api, shared).items()}
    assert {i: {200: 2, 409: 0}[status] for i, status in statuses.items()} == stages
    assert all(statuses[i] == 200 for i in range(1, number, 2))
    again = {i: ApiClient(shared.url, api.jobix)(f"/update_job/{i}/2", claim=held[i]).status_code for i in held}
    assert again == statuses
