"""/heartbeat?wait=: the response arrives as soon as one of the claims has ended or must end."""

import signal
import time
import uuid

import pytest

from tests.support.background_client import LONG_WAIT_S, PROMPT_S, BackgroundClient
from tests.support.server import ApiClient
from tests.support.snapshot import opened


@pytest.fixture
def background(shared, jobix):
    """Sends heartbeats that wait."""
    return BackgroundClient(shared.url, jobix)


@pytest.fixture
def held(api):
    """Three held jobs, by their ids."""
    api("/init/0/60?name=waits-" + uuid.uuid4().hex[:8])
    api("/set", {"1": {}, "2": {}, "3": {}})
    return {job["jobid"]: job for job in api("/get/0?n=3").json()}


def wait_for(background, *jobs, wait_s=LONG_WAIT_S, url=""):
    """Sends a heartbeat of these jobs that waits."""
    claims = [{"jobid": job["jobid"], "claim": job["claim"]} for job in jobs]
    return background.post(f"/heartbeat?wait={wait_s}", claims, url)


def states(response):
    """The states in the response, by jobid."""
    return {entry["jobid"]: entry["state"] for entry in response.result(PROMPT_S)["jobs"]}


def test_a_wait_ends_with_the_time(api, background, held):
    start_s = time.monotonic()
    assert states(wait_for(background, held[1], wait_s=0.5)) == {1: "held"}
    assert 0.5 <= time.monotonic() - start_s < PROMPT_S


@pytest.mark.parametrize("path", ["/update_job/1/2", "/update_job/1/0"])
def test_the_end_of_a_claim_ends_the_wait(api, background, held, path):
    response = wait_for(background, held[1])
    other = wait_for(background, held[2], held[3])
    assert not response.done()
    api(path, claim=held[1]["claim"])
    assert states(response) == {1: "lost"}
    assert not other.done()
    api("/update_jobs", [{"jobid": 3, "jobstage": 2, "claim": held[3]["claim"]}])
    assert states(other) == {2: "held", 3: "lost"}


def test_a_requeued_job_ends_the_wait(api, shared, background, held):
    response = wait_for(background, held[1])
    with opened(shared) as database:
        sql = "UPDATE job SET deadline = 1 WHERE jobid = 1 AND list_id = (SELECT id FROM job_list WHERE name = ?)"
        database.run(sql, api("/get").json()["list"])
    assert api("/check_stages/1/0").json()["degraded"] == 1
    assert states(response) == {1: "lost"}


def test_a_cancel_by_another_process_ends_the_wait(api, shared, background, held):
    """The command `jobserver cancel` writes to the database; the server finds it by polling."""
    response, other = wait_for(background, held[1]), wait_for(background, held[2])
    assert shared.run("cancel", api("/get").json()["list"], "1").returncode == 0
    assert states(response) == {1: "cancel"}
    assert not other.done()
    api("/update_job/2/2", claim=held[2]["claim"])
    assert states(other) == {2: "lost"}


def test_a_claim_that_ended_before_the_heartbeat_is_answered_at_once(api, background, held):
    api("/update_job/1/2", claim=held[1]["claim"])
    assert states(wait_for(background, held[1], held[2])) == {1: "lost", 2: "held"}


def test_nothing_to_renew_is_answered_at_once(api, background, held):
    assert states(wait_for(background)) == {}


def test_a_priority_does_not_end_the_wait_and_a_waiting_heartbeat_delays_no_other_request(api, background, held):
    responses = [wait_for(background, held[1]) for _ in range(20)]
    assert api("/heartbeat", [{"jobid": 1, "claim": held[1]["claim"]}]).json()["jobs"][0]["state"] == "held"
    time.sleep(0.6)  # two polls of the database
    assert not any(response.done() for response in responses)
    api("/update_job/1/2", claim=held[1]["claim"])
    assert [states(response) for response in responses] == [{1: "lost"}] * 20


def test_a_report_to_another_server_process_ends_the_wait(new_server, tmp_path, jobix, database_uri):
    own = {"instance": str(tmp_path / "instance"), "database_uri": database_uri}
    first, second = new_server(**own).start(), new_server(**own).start()
    api = ApiClient(first.url, jobix)
    api("/set", {"1": {}})
    job = api("/get/0").json()
    response = wait_for(BackgroundClient(second.url, jobix), job)
    start_s = time.monotonic()
    api("/update_job/1/2", claim=job["claim"])
    assert states(response) == {1: "lost"}
    assert time.monotonic() - start_s < 2


def test_heartbeats_beyond_the_limit_are_answered_at_once(new_server, jobix):
    server = new_server(max_waiting="1").start()
    api, background = ApiClient(server.url, jobix), BackgroundClient(server.url, jobix)
    api("/set", {"1": {}})
    job = api("/get/0").json()
    first = wait_for(background, job)
    time.sleep(1)  # until it waits: this is not visible from outside
    assert states(wait_for(background, job)) == {1: "held"}
    assert background.send(f"/get/0?wait={LONG_WAIT_S}").result(PROMPT_S) == "nada"
    assert not first.done()
    api("/update_job/1/2", claim=job["claim"])
    assert states(first) == {1: "lost"}


def test_a_shutdown_answers_waiting_heartbeats(server, jobix):
    api = ApiClient(server.url, jobix)
    api("/set", {"1": {}})
    response = wait_for(BackgroundClient(server.url, jobix), api("/get/0").json())
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    assert states(response) == {1: "held"}
    assert server.process.wait(PROMPT_S) == 0


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "x", ""])
def test_a_wait_out_of_range_is_refused(api, held, wait):
    response = api(f"/heartbeat?wait={wait}", [{"jobid": 1, "claim": held[1]["claim"]}])
    assert response.status_code == 400
    assert "wait is a number of seconds from 0 to 60" in response.json()["message"]
