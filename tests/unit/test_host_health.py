"""When a host is set aside, kept, or gets a canary."""

import pytest

from jobserver.core import lifetimes
from jobserver.core.host_health import (
    FIRST_PAUSE_MS,
    LONGEST_PAUSE_MS,
    Admission,
    HostHealth,
    Others,
    Verdict,
    admission,
    after_bad_canary,
    after_failure,
    after_success,
    blamed_jobs,
    is_suspicious,
    judge,
    readmitted,
    usual_ms,
)

NOW = 1_000_000
USUAL_MS = 10_000.0
MANY = Others(heard=19, troubled=0)


def failures(*jobids: int) -> HostHealth:
    """The record of a host on which these jobs failed in a row."""
    health = HostHealth("node1")
    for jobid in jobids:
        health = after_failure(health, jobid)
    return health


def fast_results(number: int) -> HostHealth:
    """The record of a host with so many fast results in a row."""
    health = HostHealth("node1")
    for _ in range(number):
        health = after_success(health, 999, USUAL_MS)
    return health


def test_three_failures_of_different_jobs_in_a_row_set_a_host_aside() -> None:
    assert not is_suspicious(failures(1, 2))
    verdict, health = judge(failures(1, 2, 3), MANY, NOW)
    assert verdict is Verdict.SET_ASIDE
    assert (health.set_aside, health.reason) == (NOW, "3 failures in a row")


def test_failures_of_one_job_say_nothing_about_the_host() -> None:
    assert not is_suspicious(failures(1, 1, 1, 1, 2))


def test_a_result_ends_a_row_of_failures() -> None:
    assert not is_suspicious(after_failure(after_success(failures(1, 2), 9_000, USUAL_MS), 3))


def test_five_fast_results_in_a_row_set_a_host_aside() -> None:
    assert not is_suspicious(fast_results(4))
    verdict, health = judge(fast_results(5), MANY, NOW)
    assert verdict is Verdict.SET_ASIDE
    assert health.reason == "5 results in a row in less than a tenth of the usual time"


@pytest.mark.parametrize("took_ms", [1_000, 10_000, 500_000])
def test_a_result_in_normal_time_ends_a_row_of_fast_results(took_ms: int) -> None:
    assert after_success(fast_results(4), took_ms, USUAL_MS).fast == 0


@pytest.mark.parametrize(("jobs", "ms"), [(19, 10_000), (1_000, 500)])
def test_few_or_short_jobs_have_no_usual_duration(jobs: int, ms: int) -> None:
    assert usual_ms({lifetimes.bucket(ms): jobs}) is None


def test_the_usual_duration_is_the_median() -> None:
    assert usual_ms({lifetimes.bucket(10_000): 15, lifetimes.bucket(100_000): 5}) == pytest.approx(10_000, rel=0.2)


@pytest.mark.parametrize("others", [Others(0, 0), Others(1, 0), Others(3, 2), Others(19, 10)])
def test_nobody_is_set_aside_if_too_few_hosts_have_good_results(others: Others) -> None:
    for health in (failures(1, 2, 3), fast_results(5)):
        verdict, kept = judge(health, others, NOW)
        assert verdict is Verdict.BREAKER
        assert kept.set_aside is None
        assert "too few other hosts have good results" in str(kept.reason)
        assert not is_suspicious(kept)


@pytest.mark.parametrize("others", [Others(2, 0), Others(3, 1), Others(19, 9)])
def test_a_host_is_set_aside_if_half_of_the_hosts_and_two_others_remain(others: Others) -> None:
    assert judge(failures(1, 2, 3), others, NOW)[0] is Verdict.SET_ASIDE


def test_jobs_that_failed_on_other_hosts_are_to_blame_themselves() -> None:
    verdict, kept = judge(failures(1, 2, 3), MANY._replace(failed_jobs={2}), NOW)
    assert verdict is Verdict.BREAKER
    assert "other hosts failed on the same jobs" in str(kept.reason)
    verdict, health = judge(after_failure(kept, 4), MANY, NOW)
    assert verdict is Verdict.SET_ASIDE
    assert health.reason == "3 failures in a row"


def test_a_job_is_to_blame_if_it_failed_on_a_healthy_host_or_on_many_hosts() -> None:
    failed_on = {1: {"healthy", "bad1"}, 2: {"bad1", "bad2"}, 3: {"bad1", "bad2", "bad3"}, 4: set()}
    assert blamed_jobs(failed_on, {"bad1", "bad2", "bad3"}) == {1, 3}


def test_a_host_is_troubled_until_its_next_good_result() -> None:
    _, kept = judge(failures(1, 2, 3), Others(0, 0), NOW)
    for health in (kept, failures(1), fast_results(1)):
        assert health.troubled
        assert not after_success(health, 5_000, USUAL_MS).troubled


def test_a_host_that_is_set_aside_gets_one_canary_after_a_pause() -> None:
    assert admission(HostHealth("node1"), NOW) is Admission.JOBS
    _, health = judge(failures(1, 2, 3), MANY, NOW)
    assert admission(health, NOW + FIRST_PAUSE_MS - 1) is Admission.NOTHING
    assert admission(health, NOW + FIRST_PAUSE_MS) is Admission.CANARY
    assert admission(health._replace(canary="token"), NOW + FIRST_PAUSE_MS) is Admission.NOTHING


def test_the_pause_doubles_with_each_bad_canary_up_to_an_hour() -> None:
    _, health = judge(failures(1, 2, 3), MANY, NOW)
    pauses = []
    for _ in range(20):
        health = after_bad_canary(health._replace(canary="token"), NOW)
        pauses.append(health.canary_at - NOW)
        assert health.canary is None
    assert pauses[:3] == [2 * FIRST_PAUSE_MS, 4 * FIRST_PAUSE_MS, 8 * FIRST_PAUSE_MS]
    assert pauses[-1] == LONGEST_PAUSE_MS


def test_a_readmitted_host_begins_again() -> None:
    _, health = judge(failures(1, 2, 3), MANY, NOW)
    assert readmitted(health) == HostHealth("node1")
