"""Jobs beyond their lifetime are flagged, requeued or failed; and requeues by /check_stages."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.late import expire
from tests.support.server import Asker
from tests.support.snapshot import jobs
from tests.support.waiting import until

SOON = "0.0001"  # minutes: 6 ms
LONG = "600"


def progress(ask, *keys):
    """Some of the list's counts."""
    answer = ask("/get").json()
    return tuple(answer[key] for key in keys)


def rows(ask, shared):
    """The list's jobs in the database, after a check of the counters."""
    return jobs(shared, ask("/get").json()["list"])


def test_the_server_flags_the_job_of_a_dead_worker(ask):
    ask("/init/0/0.005")  # 0.3 s
    ask("/set", {"1": {}, "2": {}})
    ask("/get/0")
    begun = time.monotonic()
    until(lambda: progress(ask, "flagged") == (1,))
    assert 0.2 < time.monotonic() - begun < 5
    assert progress(ask, "working", "available", "failed") == (1, 1, 0)


def test_an_available_job_can_be_flagged_and_still_claimed(ask):
    ask(f"/init/{SOON}/{LONG}")
    ask("/set", {"1": {}})
    until(lambda: progress(ask, "flagged") == (1,))
    assert ask("/get/0").json()["jobid"] == 1
    assert progress(ask, "flagged", "working") == (0, 1)


def test_check_stages_flags_at_once_and_returns_the_number(ask, shared):
    ask(f"/init/0/{LONG}")
    ask("/set", {str(i): {} for i in range(5)})
    ask("/get/0?n=4")
    assert ask("/check_stages").json() == {"ok": True, "flagged": 0, "degraded": 0}
    expire(shared, ask, 0, 2, 3)
    assert ask("/check_stages", method="POST").json() == {"ok": False, "flagged": 3, "degraded": 0}


def test_check_stages_requeues_flagged_jobs_and_ends_their_claims(ask, shared):
    ask(f"/init/0/{LONG}")
    ask("/set", {str(i): {} for i in range(4)})
    held = {job["jobid"]: job["claim"] for job in ask("/get/0?n=4").json()}
    expire(shared, ask, 1, 3)
    assert ask("/check_stages/1/0").json() == {"ok": True, "flagged": 0, "degraded": 2}
    assert ask("/check_stages/1/0").json() == {"ok": True, "flagged": 0, "degraded": 0}
    back = rows(ask, shared)
    assert [back[i]["jobstage"] for i in range(4)] == [1, 0, 1, 0]
    assert [back[i]["claim"] is None for i in range(4)] == [False, True, False, True]
    assert ask("/update_job/3/2", claim=held[3]).status_code == 409
    assert ask("/update_job/2/2", claim=held[2]).status_code == 200
    assert [job["attempt"] for job in ask("/get/0?n=9").json()] == [2, 2]


def test_check_stages_requeues_the_named_stage_only(ask, shared):
    ask(f"/init/0/{LONG}/0/{LONG}")
    ask("/set", {"1": {"jobstage": 1}, "2": {"jobstage": 3}})
    expire(shared, ask, 1, 2)
    assert ask("/check_stages/3/2").json() == {"ok": False, "flagged": 1, "degraded": 1}
    assert {jobid: one["jobstage"] for jobid, one in rows(ask, shared).items()} == {1: 1, 2: 2}
    assert ask("/get/2").json()["jobid"] == 2


@pytest.mark.parametrize("path", ["/check_stages/1/2", "/check_stages/2/2", "/check_stages/5/3", "/check_stages/x/0"])
def test_jobs_are_requeued_to_a_lower_even_stage_only(ask, path):
    assert ask(path).status_code == 400


def test_expired_jobs_can_be_requeued_automatically(ask):
    ask(f"/lifetime/1/{SOON}?requeue=0&max_attempts=0")
    ask("/set", {"1": {}})
    stale = ask("/get/0").json()["claim"]
    assert until(lambda: ask("/get/0").json() != "nada" and progress(ask, "flagged") == (0,))
    assert ask("/update_job/1/2", claim=stale).json()["error"] == "claim_lost"


def test_a_job_that_expired_too_often_fails_and_is_not_claimed(ask, shared):
    ask(f"/lifetime/1/{LONG}?requeue=0&max_attempts=3")
    ask("/set", {"1": {}})
    for attempt in (1, 2, 3):
        job = ask("/get/0").json()
        assert job["attempt"] == attempt
        expire(shared, ask, 1)
        ask("/check_stages")
    assert ask("/get/0").json() == "nada"
    assert progress(ask, "failed", "flagged", "working") == (1, 1, 0)
    assert rows(ask, shared)[1]["error"] == "expired"
    assert ask("/update_job/1/2", claim=job["claim"]).status_code == 409
    assert ask("/heartbeat", [{"jobid": 1, "claim": job["claim"]}]).json()["jobs"][0]["state"] == "lost"


def test_a_job_with_too_many_errors_fails_with_its_last_error(ask, shared):
    ask("/lifetime/1/0?max_attempts=2")
    ask("/set", {"1": {}})
    ask("/get/0")
    assert ask("/update_job/1/0", {"error": "no disk"}).json()["jobstage"] == 0
    claim = ask("/get/0").json()["claim"]
    answer = ask("/update_job/1/0", {"error": "no memory"}, claim=claim).json()
    assert (answer["jobstage"], answer["failed"]) == (1, True)
    assert ask("/update_job/1/0", {"error": "no memory"}, claim=claim).json() == answer
    assert progress(ask, "failed", "flagged", "working", "available") == (1, 1, 0, 0)
    assert rows(ask, shared)[1]["error"] == "no memory"
    name = ask("/get").json()["list"]
    assert "no memory" in ask(f"/get?list={name}", Accept="text/html").text


def test_five_attempts_are_the_default_and_zero_is_unlimited(ask):
    ask("/set", {"1": {}, "2": {"jobstage": 2}})
    ask("/lifetime/3/0?max_attempts=0")
    for stage in (0, 2):
        failed = []
        for _attempt in range(7):
            if (job := ask(f"/get/{stage}").json()) != "nada":
                failed.append(ask(f"/update_job/{job['jobid']}/{stage}", {"error": "x"}).json().get("failed", False))
        assert failed == ([False] * 4 + [True] if stage == 0 else [False] * 7)


def test_a_release_without_an_error_is_not_a_failure(ask):
    ask("/lifetime/1/0?max_attempts=1")
    ask("/set", {"1": {}})
    for attempt in (1, 2, 3):
        assert ask("/get/0").json()["attempt"] == attempt
        assert "failed" not in ask("/update_job/1/0").json()


@pytest.mark.parametrize("back", ["/update_job/1/0", "/check_stages/1/0"])
def test_a_retry_of_a_failed_job_resets_its_attempts(ask, back):
    ask("/lifetime/1/0?max_attempts=2")
    ask("/set", {"1": {}})
    for _round in range(2):
        for attempt in (1, 2):
            assert ask("/get/0").json()["attempt"] == attempt
            ask("/update_job/1/0", {"error": "x"})
        assert ask("/get/0").json() == "nada"
        assert progress(ask, "failed", "flagged") == (1, 1)
        assert ask(back).status_code == 200
        assert progress(ask, "failed", "flagged", "available") == (0, 0, 1)


@pytest.mark.parametrize("way", ["requeue", "degrade"])
def test_a_job_is_either_completed_or_requeued_in_a_race(ask, shared, way):
    number = 48
    ask(f"/lifetime/1/{LONG}?max_attempts=0" + ("&requeue=0" if way == "requeue" else ""))
    ask("/set", {str(i): {} for i in range(number)})
    held = {job["jobid"]: job["claim"] for job in ask("/get/0?n=100", claim=uuid.uuid4().hex).json()}
    expire(shared, ask, *range(0, number, 2))  # the other jobs must not be affected

    def finish(part):
        asker = Asker(shared.url, ask.jobix)
        return {i: asker(f"/update_job/{i}/2", claim=held[i]).status_code for i in range(part, number, 6)}

    def sweep(_part):
        asker = Asker(shared.url, ask.jobix)
        return [asker("/check_stages" + ("" if way == "requeue" else "/1/0")).status_code for _ in range(4)]

    with ThreadPoolExecutor(8) as pool:
        sweeps = [pool.submit(sweep, part) for part in range(2)]
        told = {i: status for part in pool.map(finish, range(6)) for i, status in part.items()}
    assert all(one.result() == [200] * 4 for one in sweeps)
    stages = {i: one["jobstage"] for i, one in rows(ask, shared).items()}
    assert {i: {200: 2, 409: 0}[status] for i, status in told.items()} == stages
    assert all(told[i] == 200 for i in range(1, number, 2))
    again = {i: Asker(shared.url, ask.jobix)(f"/update_job/{i}/2", claim=held[i]).status_code for i in held}
    assert again == told
