"""The arithmetic of the benchmark: ratios within a round, failed measurements, timing of processes."""

import io
import time

import pytest
from rich.console import Console

from bench import job_manager, performance, request_rates
from bench.keepalive import NEXT
from bench.race import race_s, time_until_empty_s
from bench.rounds import Rounds
from bench.system import MORE_WORKERS, System, load_systems


def quiet() -> Console:
    """A console without visible output."""
    return Console(file=io.StringIO())


def measured(figure: str, values: list[float]):
    """A measurement that returns these values, round by round."""
    remaining = iter(values)
    return lambda: {figure: next(remaining)}


def peer(name: str, durable: str) -> System:
    """A system that is not drained."""
    return System("bench.peers.with_it", name, "", "memory", durable, 1, lambda _folder, _jobs: 1.0)


def test_ratio_is_the_median_of_ratios_within_rounds() -> None:
    rounds = Rounds()
    # The machine was slow in the second round for both.
    rounds.run({"a": measured("a", [40, 4, 44]), "b": measured("b", [10, 1, 10])}, 3, quiet())
    assert rounds.ratio("a", "b") == 4
    assert rounds.median("a") == 40
    assert rounds.ratio("a", "c") is None


def test_failed_measurement_is_reported_and_not_repeated() -> None:
    tries = []

    def fails() -> dict[str, float]:
        tries.append(1)
        raise RuntimeError("no such\nbroker")

    rounds = Rounds()
    rounds.run({"bad": fails, "good": measured("good", [1, 2, 3])}, 3, quiet())
    assert (len(tries), rounds.missing, rounds.values("good")) == (1, {"bad": "no such broker"}, [1, 2, 3])
    assert "| bad |  |  | missing | no such broker |" in performance.drains(rounds, [], rounds.missing)


def test_missing_peer_is_reported() -> None:
    systems, missing = load_systems(["bench.job_manager", "bench.peers.with_nothing"])
    assert [system.name for system in systems] == [job_manager.SQLITE, job_manager.POSTGRESQL]
    assert list(missing) == ["nothing"]


def test_goals_compare_with_the_fastest_peers() -> None:
    rounds = Rounds()
    rounds.rounds = [{job_manager.SQLITE: 100, "slow": 10, "quick": 20, "RQ": 50, MORE_WORKERS: 25}]
    peers = [peer("slow", "yes"), peer("quick", "yes"), peer("RQ", "no: in memory")]
    text = performance.goals(rounds, [*job_manager.SYSTEMS, *peers], {10: (2.0, 3.0), 1000: (3.0, 3.0)})
    assert "| … × the fastest durable peer | 5.00 |" in text
    assert "HyperQueue | 2.00 | 10 |" in text
    assert f"{MORE_WORKERS} where the others have 4 workers | 4.00 | 10 |" in text
    assert "| a claim among 1,000 jobs | 3.0 µs, 1.50 × |" in text


def test_single_requests_are_compared_with_hello_on_the_same_web_server() -> None:
    rounds, (eventlet, gevent) = Rounds(), request_rates.RATES
    rounds.rounds = [
        {eventlet.hello: 100, eventlet.one_job: 90, eventlet.founding: 20},
        {gevent.hello: 1000, gevent.one_job: 500, gevent.founding: 300, gevent.founding_hello: 400},
    ]
    text = performance.goals(rounds, job_manager.SYSTEMS, {})
    shares = [line.split(" | ")[1] for line in text.splitlines() if 'share of bare Flask "hello"' in line]
    assert shares == ["0.90", "0.20", "0.50", "0.30"]
    assert '"hello" under gevent twice a "job", jobs/s | 400 |' in performance.limits(rounds)
    assert "eventlet twice" not in performance.limits(rounds)


def prepare(pause_s: float):
    """A worker that only sleeps."""
    time.sleep(2)  # the preparation is not counted
    return lambda: time.sleep(pause_s)


def test_race_ends_with_the_last_process() -> None:
    assert 0.1 < race_s(prepare, (0.3,), 2) < 2


def test_waits_until_no_job_remains() -> None:
    counts = iter([30, 20, 10, 1, 0])
    assert time_until_empty_s(lambda: next(counts)) > 0
    with pytest.raises(StopIteration):
        next(counts)


def test_next_job_is_parsed_from_a_response() -> None:
    response = b'{"message":"","jobid":3,"next":{"jobid":4,"jobcmd":{"claim":"x"},"jobix":1,"claim":"abc","attempt":1}}'
    assert NEXT.search(response).groups() == (b"4", b"abc")
