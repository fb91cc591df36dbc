"""The rate of a list and its estimated end, from time slots of finished jobs."""

import pytest

from jobserver.core.overview import Slot, estimate

MINUTE = 60_000


def steady(minutes, a_slot, busy_ms=5000, stage=1, start_minute=0):
    """Slots of ten seconds, each with this number of finished jobs."""
    return [
        Slot(start, stage, a_slot, a_slot * busy_ms)
        for start in range(start_minute, start_minute + minutes * MINUTE, 10_000)
    ]


def estimate_of(slots, left, now):
    """The estimate from these slots."""
    first, last = min(slot.start for slot in slots), max(slot.start for slot in slots)
    return estimate(slots, left, first, last, sum(slot.jobs for slot in slots), now)


def test_a_steady_list_is_estimated_by_its_rate():
    result = estimate_of(steady(30, 10), {1: 600}, 30 * MINUTE)
    assert result.now == pytest.approx(60, rel=0.05)
    assert result.average == pytest.approx(60, rel=0.05)
    assert result.least_ms <= 10 * MINUTE <= result.most_ms
    assert result.most_ms < 12 * MINUTE
    assert not result.stalled


def test_a_list_that_became_slower_has_a_wider_range():
    slots = steady(20, 20) + steady(10, 5, start_minute=20 * MINUTE)
    result = estimate_of(slots, {1: 600}, 30 * MINUTE)
    assert result.now == pytest.approx(30, rel=0.1)
    assert result.least_ms < 10 * MINUTE
    assert result.most_ms >= 20 * MINUTE


def test_a_later_stage_that_takes_longer_counts_for_more():
    slots = steady(10, 10, 1000, 1) + steady(10, 1, 60_000, 3)
    alike = estimate_of(slots, {1: 100, 3: 0}, 10 * MINUTE)
    longer = estimate_of(slots, {1: 0, 3: 100}, 10 * MINUTE)
    assert longer.most_ms > 5 * alike.most_ms


def test_a_list_without_progress_is_stalled_without_an_estimate():
    result = estimate_of(steady(10, 10), {1: 50}, 25 * MINUTE)
    assert (result.stalled, result.least_ms, result.now) == (True, None, 0.0)


def test_slow_jobs_are_not_a_stall():
    slots = [Slot(hour * 60 * MINUTE, 1, 1, 60 * MINUTE) for hour in range(10)]
    assert not estimate_of(slots, {1: 5}, 9 * 60 * MINUTE + 50 * MINUTE).stalled


def test_no_estimate_without_data_or_without_remaining_jobs():
    assert estimate([], {1: 5}, None, None, 0, 0).least_ms is None
    assert estimate_of([Slot(0, 1, 3, 10)], {1: 5}, 500).least_ms is None
    done = estimate_of(steady(5, 10), {1: 0}, 5 * MINUTE)
    assert (done.least_ms, done.most_ms, done.stalled) == (0, 0, False)
