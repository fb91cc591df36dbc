"""/get?wait=: every event that makes a job available wakes a long poll, and long polls delay no other request."""

import signal
import time
from statistics import median

import pytest

from tests.support.server import Asker
from tests.support.snapshot import opened
from tests.support.waiter import AT_ONCE_S, FOREVER, Waiter


@pytest.fixture
def waiter(shared, jobix):
    """Sends long polls with the key of the list."""
    return Waiter(shared.url, jobix)


def test_a_wait_ends_with_nada(ask):
    ask("/set", {})
    begun = time.monotonic()
    assert ask("/get/0?wait=0.3").json() == "nada"
    assert ask("/get/0?wait=0.3&n=2").json() == []
    assert 0.6 <= time.monotonic() - begun < AT_ONCE_S


def test_a_set_wakes_a_long_poll(ask, waiter):
    ask("/set", {"1": {"jobstage": 2}})
    answer = waiter.ask(f"/get/0?wait={FOREVER}")
    assert not answer.done()
    ask("/set", {"7": {}})
    assert answer.result(AT_ONCE_S)["jobid"] == 7


def test_a_long_poll_on_a_missing_list_ends_at_its_first_set(ask, waiter):
    answer = waiter.ask(f"/get/0?wait={FOREVER}")
    ask("/set", {"7": {}})
    assert answer.result(AT_ONCE_S)["jobid"] == 7


def test_a_release_wakes_a_long_poll(ask, waiter):
    ask("/set", {"7": {}})
    claim = ask("/get/0").json()["claim"]
    answer = waiter.ask(f"/get/0?wait={FOREVER}")
    ask("/update_job/7/0", claim=claim)
    assert answer.result(AT_ONCE_S)["attempt"] == 2


def test_an_advance_wakes_a_long_poll_for_the_next_stage(ask, waiter):
    ask("/set", {"7": {}, "8": {}})
    claims = [job["claim"] for job in ask("/get/0?n=2").json()]
    answers = [waiter.ask(f"/get/2?wait={FOREVER}") for _ in range(2)]
    ask("/update_job/7/2", claim=claims[0])
    ask("/update_jobs", [{"jobid": 8, "jobstage": 2, "claim": claims[1]}])
    assert {answer.result(AT_ONCE_S)["jobid"] for answer in answers} == {7, 8}


@pytest.mark.parametrize("way", ["requeue", "degrade"])
def test_an_expiry_wakes_a_long_poll(ask, waiter, shared, way):
    ask("/lifetime/1/60" + ("?requeue=0" if way == "requeue" else ""))
    ask("/set", {"7": {}})
    ask("/get/0")
    answer = waiter.ask(f"/get/0?wait={FOREVER}")
    with opened(shared) as database:
        sql = "UPDATE job SET deadline = 1 WHERE list_id = (SELECT id FROM job_list WHERE name = ?)"
        database.run(sql, ask("/get").json()["list"])
    if way == "degrade":
        ask("/check_stages/1/0")
    assert answer.result(AT_ONCE_S)["attempt"] == 2


def test_one_job_wakes_one_of_many_long_polls(ask, waiter):
    ask("/set", {"1": {"jobstage": 2}})
    answers = [waiter.ask(f"/get/0?wait={FOREVER}") for _ in range(12)]
    for jobid in range(100, 112):
        ask("/set", {str(jobid): {}})
    assert sorted(answer.result(AT_ONCE_S)["jobid"] for answer in answers) == list(range(100, 112))


def test_a_set_wakes_one_long_poll_for_each_job(ask, waiter):
    ask("/set", {"1": {"jobstage": 2}})
    answers = [waiter.ask(f"/get/0?wait={FOREVER}") for _ in range(8)]
    ask("/set", {str(jobid): {} for jobid in range(100, 108)})
    assert sorted(answer.result(AT_ONCE_S)["jobid"] for answer in answers) == list(range(100, 108))


def test_a_new_job_wakes_a_long_poll_without_a_poll_delay(ask, waiter):
    """A wait for the server's next poll takes about 0.25 s in each round, because a round begins just after a poll."""
    ask("/set", {"7": {}})
    claim = ask("/get/0").json()["claim"]
    took_s = []
    for _round in range(20):
        answer = waiter.ask(f"/get/0?wait={FOREVER}")
        begun = time.monotonic()
        ask("/update_job/7/0", claim=claim)
        claim = answer.result(AT_ONCE_S)["claim"]
        took_s.append(time.monotonic() - begun)
    assert median(took_s) < 0.15, took_s


def test_a_long_poll_with_a_client_token_can_be_repeated(ask, waiter):
    ask("/set", {"1": {"jobstage": 2}})
    answers = [waiter.ask(f"/get/0?wait={FOREVER}", claim="w" * 32) for _ in range(2)]
    ask("/set", {"7": {}, "8": {}})
    assert [answer.result(AT_ONCE_S)["jobid"] for answer in answers] == [7, 7]
    assert ask("/get").json()["working"] == 1


def test_long_polls_do_not_delay_other_requests(ask, waiter):
    answers = [waiter.ask("/get/0?wait=5") for _ in range(30)]
    ask("/set", {str(i): {} for i in range(30, 60)})
    assert ask("/get/2").json() == "nada"
    assert len({answer.result(AT_ONCE_S)["jobid"] for answer in answers}) == 30


def test_a_long_poll_finds_a_job_set_at_another_server(new_server, tmp_path, jobix, database_uri):
    own = {"instance": str(tmp_path / "instance"), "database_uri": database_uri}
    one, other = new_server(**own).start(), new_server(**own).start()
    for jobid in (7, 8):  # the first set also creates the list
        answer = Waiter(one.url, jobix).ask(f"/get/0?wait={FOREVER}")
        Asker(other.url, jobix)("/set", {str(jobid): {}})
        assert answer.result(AT_ONCE_S)["jobid"] == jobid


def test_a_shutdown_answers_long_polls(server, jobix):
    answer = Waiter(server.url, jobix).ask(f"/get/0?wait={FOREVER}")
    server.process.send_signal(signal.SIGTERM)
    assert answer.result(AT_ONCE_S) == "nada"
    assert server.process.wait(AT_ONCE_S) == 0


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "inf", "x", "", "1e3"])
def test_a_wait_out_of_range_is_refused(ask, wait):
    assert ask(f"/get/0?wait={wait}").status_code == 400


def test_long_polls_beyond_the_limit_are_answered_at_once(new_server, jobix):
    server = new_server(max_waiting="2").start()
    waiter = Waiter(server.url, jobix)
    ask = Asker(server.url, jobix)
    ask("/set", {})
    first = [waiter.ask(f"/get/0?wait={FOREVER}") for _ in range(2)]
    time.sleep(1)  # until both wait: this is not visible from outside, and a probe would use a place
    assert [waiter.ask(f"/get/0?wait={FOREVER}").result(AT_ONCE_S) for _ in range(3)] == ["nada"] * 3
    assert not any(answer.done() for answer in first)
    ask("/set", {"1": {}, "2": {}})
    assert {answer.result(AT_ONCE_S)["jobid"] for answer in first} == {1, 2}, "a refused long poll used up a wake"
    assert ask("/get/0?wait=0.1").json() == "nada", "a place was lost"
