"""JobClient against a real server."""

from __future__ import annotations

import threading

import pytest

from client import (
    BadJobix,
    BadRequest,
    BadSource,
    ClaimLost,
    JobClient,
    Lifetime,
    NoSuchJob,
    NotAJobServer,
    Report,
    SetResponse,
    WrongStage,
)


def test_a_job_moves_through_all_stages_with_its_data(client):
    assert client.init([0, 10, 0, 40]) == {0: 0.0, 1: 10.0, 2: 0.0, 3: 40.0, 4: 0.0}
    assert client.set({3: {"jobcmd": {"file": "3.fits"}}, 4: {"jobcmd": "four", "priority": 1}}) == SetResponse(2, 0)
    first = client.get(0)
    assert (first.jobid, first.jobcmd, first.stage, first.working_stage, first.attempt) == (4, "four", 0, 1, 1)
    assert 590 < first.lifetime_s <= 601
    assert first.deadline.tzinfo is not None
    response = client.update(first, 2, filename="4.npy", jobcmd=[4, "next"], result={"chi2": 1.5}, next=0)
    assert (response.jobid, response.jobstage, response.failed) == (4, 2, False)
    second = response.next
    assert (second.jobid, second.jobcmd, second.working_stage) == (3, {"file": "3.fits"}, 1)
    assert client.update(second, 0).jobstage == 0
    third = client.get(2)
    assert (third.jobcmd, third.deadline is not None) == ([4, "next"], True)
    client.update(third, 4)
    progress = client.progress()
    assert (progress.jobs, progress.done, progress.available, progress.percent) == (2, 1, 1, 50.0)
    assert (progress.stages[4].jobs, progress.last_stage) == (1, 4)


def test_get_returns_none_if_there_is_no_job(client):
    assert client.get(0) is None
    assert client.get_many(0, 5) == []


def test_a_new_job_ends_a_wait(client):
    client.init()
    threading.Timer(0.2, lambda: client.set({1: {}})).start()
    job = client.get(0, wait_s=20)
    assert job.jobid == 1


def test_a_job_knows_its_working_stage(client):
    client.set({1: {}})
    job = client.get(0, 3)
    assert (job.working_stage, job.done_stage) == (3, 4)
    assert client.update(job, job.done_stage).jobstage == 4


def test_each_of_many_reports_has_its_own_outcome(client):
    client.set({jobid: {} for jobid in range(4)})
    jobs = client.get_many(0, 3)
    assert [job.jobid for job in jobs] == [0, 1, 2]
    reports = [
        Report(0, 2, jobs[0].claim, result=1.5),
        Report(1, 2, "0" * 32),
        Report(2, 0, jobs[2].claim, error="broken"),
        Report(99, 2, "0" * 32),
    ]
    outcomes, claimed = client.update_many(reports, next=0, n=5)
    assert [(outcome.status, outcome.jobstage, outcome.error) for outcome in outcomes] == [
        (200, 2, None),
        (409, None, "claim_lost"),
        (200, 0, None),
        (404, None, "no_such_job"),
    ]
    assert sorted(job.jobid for job in claimed) == [2, 3]


def test_heartbeat_returns_the_state_of_each_claim(client):
    client.init([0, 10])
    client.set({1: {}, 2: {}})
    held, given_back = client.get_many(0, 2)
    client.update(given_back, 0)
    assert client.heartbeat([held, given_back]) == {1: "held", 2: "lost"}
    assert client.renew([held])[0].lifetime_s > 590


def test_a_worker_whose_claim_was_taken_back_cannot_advance_the_job(client, take_back):
    client.init([0, 10])
    client.set({1: {}})
    job = client.get(0)
    take_back()
    with pytest.raises(ClaimLost):
        client.update(job, 2)
    assert client.progress().stages[0].jobs == 1


def test_refusals_are_exceptions_with_their_own_names(client):
    client.set({1: {}})
    with pytest.raises(NoSuchJob) as no_such_job:
        client.update(99, 2)
    assert (no_such_job.value.status, no_such_job.value.code) == (404, "no_such_job")
    with pytest.raises(WrongStage):
        client.update(1, 2)
    with pytest.raises(BadRequest):
        client.get(1)


def test_an_update_reports_that_no_attempts_are_left(client):
    client.init([0, 10])
    client.lifetime(1, 10, max_attempts=1)
    client.set({1: {}})
    response = client.update(client.get(0), 0, error="broken")
    assert (response.failed, response.jobstage) == (True, 1)


def test_lifetimes_are_returned_as_they_were_set(client):
    client.init([0, 10])
    assert client.lifetime(1, 0.05, requeue=0, max_attempts=3) == client.lifetime(1)
    assert (client.lifetime(1).minutes, client.lifetime(1).requeue, client.lifetime(1).max_attempts) == (0.05, 0, 3)


def test_each_part_of_a_lifetime_can_be_changed_alone(client):
    client.init([0, 10])
    assert client.lifetime(1, max_attempts=2) == Lifetime(1, 10, 0, 2)
    assert client.lifetime(1, 20) == Lifetime(1, 20, 0, 2)
    assert client.lifetime(1, requeue=None) == Lifetime(1, 20, None, 2)


def test_a_set_is_streamed_and_not_collected_first(proxy, jobix):
    through_proxy = JobClient(proxy.url, jobix)
    requests_before: list[int] = []

    def jobs():
        for jobid in range(25_000):
            requests_before.append(proxy.count("/set"))
            yield jobid, {"jobcmd": {"file": f"data/{jobid}.fits"}}

    assert through_proxy.set(jobs()) == SetResponse(25_000, 0)
    assert proxy.count("/set") == 3
    assert (requests_before[9_999], requests_before[10_001], requests_before[24_999]) == (0, 1, 2)
    assert through_proxy.set({0: {}, 25_000: {}}) == SetResponse(1, 1, 1, (0,))


def test_jobs_without_ids_are_named_by_their_content(proxy, jobix):
    """The server stored the first request, but its response was lost: the retry adds nothing."""
    client = JobClient(proxy.url, jobix)
    jobs = [
        {"jobcmd": {"a": 1, "b": 2}},
        {"jobcmd": {"b": 2, "a": 1}},
        {"jobcmd": 5, "name": "five"},
        {"jobid": 40},
        {},
    ]
    client.init()
    proxy.lose_response("/set")
    assert client.set(jobs) == SetResponse(0, 5)
    assert client.set([*jobs, {"jobcmd": {"b": 2, "a": 1}}]) == SetResponse(1, 5)
    equal = "43258cff783fe703"  # of {"a":1,"b":2}
    assert client.set(
        [{"name": name, "jobcmd": jobs[0]["jobcmd"]} for name in (equal, f"{equal}-2", f"{equal}-3")]
    ) == (SetResponse(0, 3))


def test_a_value_that_json_cannot_express_is_refused_before_it_is_sent(client):
    with pytest.raises(BadSource, match="job 7"):
        client.set({7: {"jobcmd": float("nan")}})
    client.set({1: {}})
    job = client.get(0)
    with pytest.raises(ValueError, match="JSON"):
        client.update(job, 2, result=float("inf"))
    assert client.update(job, 2).jobstage == 2


def test_the_jobix_is_a_whole_number_of_63_bits_and_no_message_repeats_it(url):
    for bad in ("123456789012345", -123456789012345, 2**63, True, 12345678901.5):
        with pytest.raises(BadJobix) as error_info:
            JobClient(url, bad)
        assert str(bad) not in str(error_info.value)
    with pytest.raises(BadJobix, match=r"not text: use int"):
        JobClient(url, "123")


def test_a_url_that_is_not_a_job_server_is_an_error(url, jobix):
    with pytest.raises(NotAJobServer, match="is the URL right"):
        JobClient(url + "/nothing/here", jobix).get(0)


def test_claims_of_many_threads_do_not_overlap(client):
    client.set({jobid: {} for jobid in range(60)})
    claimed: list[int] = []

    def take() -> None:
        while (job := client.get(0)) is not None:
            claimed.append(job.jobid)
            client.update(job, 2)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(60))


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (
            {"1": {"jobcmd": "a"}},
            r"^the jobid must be a whole number: int\('1'\), or give objects without ids: \{'name': '1', ",
        ),
        ({1.5: {}}, r"^the jobid must be a whole number: int\(1.5\)$"),
        ([1, 2], r"^1 is not a job: give \{'jobcmd': …\}, or pairs"),
        ([(1, {}, 0)], r"is not a job: give "),
        ([{"jobcmd": 1}, (1, {})], r"^give either all jobs as pairs such as .* or none: \(1, \{\}\)$"),
        ([(1, {}), {"jobcmd": 1}], r"^give either all jobs as pairs such as .* or none: \{'jobcmd': 1\}$"),
        ([{"jobcmd": float("nan")}], r"^the job \{.*\} cannot be sent as JSON"),
        ({1: "a.fits"}, r"^job 1: give an object such as .*, not 'a.fits'$"),
    ],
)
def test_a_set_of_something_else_than_jobs_is_an_error_that_says_what_to_give(client, jobs, expected):
    client.init()
    with pytest.raises(BadSource, match=expected):
        client.set(jobs)
    assert client.progress().jobs == 0
