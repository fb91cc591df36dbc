"""/get?wait=: every event that makes a job available wakes a long poll, and long polls delay no other request."""

import signal
import time
from statistics import median

import pytest

from tests.support.background_client import LONG_WAIT_S, PROMPT_S, BackgroundClient
from tests.support.server import ApiClient
from tests.support.snapshot import opened


@pytest.fixture
def background(shared, jobix):
    """Sends long polls with the key of the list."""
    return BackgroundClient(shared.url, jobix)


def test_a_wait_ends_with_nada(api):
    api("/set", {})
    start_s = time.monotonic()
    assert api("/get/0?wait=0.3").json() == "nada"
    assert api("/get/0?wait=0.3&n=2").json() == []
    assert 0.6 <= time.monotonic() - start_s < PROMPT_S


def test_a_set_wakes_a_long_poll(api, background):
    api("/set", {"1": {"jobstage": 2}})
    response = background.send(f"/get/0?wait={LONG_WAIT_S}")
    assert not response.done()
    api("/set", {"7": {}})
    assert response.result(PROMPT_S)["jobid"] == 7


def test_a_long_poll_on_a_missing_list_ends_at_its_first_set(api, background):
    response = background.send(f"/get/0?wait={LONG_WAIT_S}")
    api("/set", {"7": {}})
    assert response.result(PROMPT_S)["jobid"] == 7


def test_a_release_wakes_a_long_poll(api, background):
    api("/set", {"7": {}})
    claim = api("/get/0").json()["claim"]
    response = background.send(f"/get/0?wait={LONG_WAIT_S}")
    api("/update_job/7/0", claim=claim)
    assert response.result(PROMPT_S)["attempt"] == 2


def test_an_advance_wakes_a_long_poll_for_the_next_stage(api, background):
    api("/set", {"7": {}, "8": {}})
    claims = [job["claim"] for job in api("/get/0?n=2").json()]
    responses = [background.send(f"/get/2?wait={LONG_WAIT_S}") for _ in range(2)]
    api("/update_job/7/2", claim=claims[0])
    api("/update_jobs", [{"jobid": 8, "jobstage": 2, "claim": claims[1]}])
    assert {response.result(PROMPT_S)["jobid"] for response in responses} == {7, 8}


@pytest.mark.parametrize("route", ["requeue", "degrade"])
def test_an_expiry_wakes_a_long_poll(api, background, shared, route):
    api("/lifetime/1/60" + ("?requeue=0" if route == "requeue" else ""))
    api("/set", {"7": {}})
    api("/get/0")
    response = background.send(f"/get/0?wait={LONG_WAIT_S}")
    with opened(shared) as database:
        sql = "UPDATE job SET deadline = 1 WHERE list_id = (SELECT id FROM job_list WHERE name = ?)"
        database.run(sql, api("/get").json()["list"])
    if route == "degrade":
        api("/check_stages/1/0")
    assert response.result(PROMPT_S)["attempt"] == 2


def test_one_job_wakes_one_of_many_long_polls(api, background):
    api("/set", {"1": {"jobstage": 2}})
    responses = [background.send(f"/get/0?wait={LONG_WAIT_S}") for _ in range(12)]
    for jobid in range(100, 112):
        api("/set", {str(jobid): {}})
    assert sorted(response.result(PROMPT_S)["jobid"] for response in responses) == list(range(100, 112))


def test_a_set_wakes_one_long_poll_for_each_job(api, background):
    api("/set", {"1": {"jobstage": 2}})
    responses = [background.send(f"/get/0?wait={LONG_WAIT_S}") for _ in range(8)]
    api("/set", {str(jobid): {} for jobid in range(100, 108)})
    assert sorted(response.result(PROMPT_S)["jobid"] for response in responses) == list(range(100, 108))


def test_a_new_job_wakes_a_long_poll_without_a_poll_delay(api, background):
    """A wait for the server's next poll takes about 0.25 s in each round, because a round begins just after a poll."""
    api("/set", {"7": {}})
    claim = api("/get/0").json()["claim"]
    took_s = []
    for _round in range(20):
        response = background.send(f"/get/0?wait={LONG_WAIT_S}")
        start_s = time.monotonic()
        api("/update_job/7/0", claim=claim)
        claim = response.result(PROMPT_S)["claim"]
        took_s.append(time.monotonic() - start_s)
    assert median(took_s) < 0.15, took_s


def test_a_long_poll_with_a_client_token_can_be_repeated(api, background):
    api("/set", {"1": {"jobstage": 2}})
    responses = [background.send(f"/get/0?wait={LONG_WAIT_S}", claim="w" * 32) for _ in range(2)]
    api("/set", {"7": {}, "8": {}})
    assert [response.result(PROMPT_S)["jobid"] for response in responses] == [7, 7]
    assert api("/get").json()["working"] == 1


def test_long_polls_do_not_delay_other_requests(api, background):
    responses = [background.send("/get/0?wait=5") for _ in range(30)]
    api("/set", {str(i): {} for i in range(30, 60)})
    assert api("/get/2").json() == "nada"
    assert len({response.result(PROMPT_S)["jobid"] for response in responses}) == 30


def test_a_long_poll_finds_a_job_set_at_another_server(new_server, tmp_path, jobix, database_uri):
    own = {"instance": str(tmp_path / "instance"), "database_uri": database_uri}
    first, second = new_server(**own).start(), new_server(**own).start()
    for jobid in (7, 8):  # the first set also creates the list
        response = BackgroundClient(first.url, jobix).send(f"/get/0?wait={LONG_WAIT_S}")
        ApiClient(second.url, jobix)("/set", {str(jobid): {}})
        assert response.result(PROMPT_S)["jobid"] == jobid


def test_a_shutdown_answers_long_polls(server, jobix):
    response = BackgroundClient(server.url, jobix).send(f"/get/0?wait={LONG_WAIT_S}")
    server.process.send_signal(signal.SIGTERM)
    assert response.result(PROMPT_S) == "nada"
    assert server.process.wait(PROMPT_S) == 0


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "inf", "x", "", "1e3"])
def test_a_wait_out_of_range_is_refused(api, wait):
    assert api(f"/get/0?wait={wait}").status_code == 400


def test_long_polls_beyond_the_limit_are_answered_at_once(new_server, jobix):
    server = new_server(max_waiting="2").start()
    background = BackgroundClient(server.url, jobix)
    api = ApiClient(server.url, jobix)
    api("/set", {})
    first = [background.send(f"/get/0?wait={LONG_WAIT_S}") for _ in range(2)]
    time.sleep(1)  # until both wait: this is not visible from outside, and a probe would use a place
    assert [background.send(f"/get/0?wait={LONG_WAIT_S}").result(PROMPT_S) for _ in range(3)] == ["nada"] * 3
    assert not any(response.done() for response in first)
    api("/set", {"1": {}, "2": {}})
    assert {response.result(PROMPT_S)["jobid"] for response in first} == {1, 2}, (
        "a refused long poll consumed a notification"
    )
    assert api("/get/0?wait=0.1").json() == "nada", "the place of a long poll was not freed"
