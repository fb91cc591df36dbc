"""Durations in buckets: the error of quantiles is bounded; and proposals of lifetimes."""

import random
from collections import Counter

import pytest

from jobserver.core import lifetimes
from jobserver.core.lifetimes import MS_PER_MINUTE


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 0.99])
@pytest.mark.parametrize("scale_ms", [3, 400, 90_000, 40_000_000])
def test_the_error_of_a_quantile_is_at_most_one_bucket(share, scale_ms):
    rng = random.Random(f"{share} {scale_ms}")
    durations_ms = sorted(round(rng.lognormvariate(0, 1) * scale_ms) for _ in range(2000))
    exact = durations_ms[round(share * len(durations_ms)) - 1]
    quantile_ms = lifetimes.quantile_ms(Counter(map(lifetimes.bucket, durations_ms)), share)
    assert exact / 1.2 - 1 <= quantile_ms <= exact * 1.2 + 1


def test_no_jobs_have_no_quantiles_and_no_proposal():
    assert lifetimes.quantile_ms({}, 0.5) is None
    assert lifetimes.proposal_ms({}) is None


@pytest.mark.parametrize(
    ("ms", "minutes"), [(0, 1), (30, 1), (61_000, 1.5), (170_000, 4), (3_000_000, 60), (10**8, 2000)]
)
def test_a_proposal_is_a_round_number_above_the_durations(ms, minutes):
    proposed = lifetimes.proposal_ms({lifetimes.bucket(ms): 1000})
    assert proposed == minutes * MS_PER_MINUTE
    assert proposed >= ms
