"""The benchmark's own arithmetic: what fails is named, ratios are of one round, what is drained is waited for."""

import io
import time

import pytest
from rich.console import Console

from bench import ours, performance, request_rates
from bench.gate import empty_s, race_s
from bench.keepalive import NEXT
from bench.rounds import Rounds
from bench.system import MORE_WORKERS, System, found


def quiet() -> Console:
    """A console that nobody sees."""
    return Console(file=io.StringIO())


def measured(figure: str, values: list[float]):
    """A measure that says these, round by round."""
    left = iter(values)
    return lambda: {figure: next(left)}


def peer(name: str, durable: str) -> System:
    """A system that is never drained."""
    return System("bench.peers.with_it", name, "", "memory", durable, 1, lambda _folder, _jobs: 1.0)


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    rounds = Rounds()
    # The machine was slow in the second round, for both.
    rounds.run({"a": measured("a", [40, 4, 44]), "b": measured("b", [10, 1, 10])}, 3, quiet())
    assert rounds.ratio("a", "b") == 4
    assert rounds.median("a") == 40
    assert rounds.ratio("a", "c") is None


def test_what_fails_is_named_and_not_tried_again() -> None:
    tries = []

    def fails() -> dict[str, float]:
        tries.append(1)
        raise RuntimeError("no such\nbroker")

    rounds = Rounds()
    rounds.run({"bad": fails, "good": measured("good", [1, 2, 3])}, 3, quiet())
    assert (len(tries), rounds.missing, rounds.values("good")) == (1, {"bad": "no such broker"}, [1, 2, 3])
    assert "| bad |  |  | missing | no such broker |" in performance.drains(rounds, [], rounds.missing)


def test_a_peer_that_is_not_installed_is_named() -> None:
    systems, missing = found(["bench.ours", "bench.peers.with_nothing"])
    assert [system.name for system in systems] == [ours.SQLITE, ours.POSTGRESQL]
    assert list(missing) == ["nothing"]


def test_the_durable_are_compared_with_the_quickest_durable_peer() -> None:
    rounds = Rounds()
    rounds.rounds = [{ours.SQLITE: 100, "slow": 10, "quick": 20, "RQ": 50, MORE_WORKERS: 25}]
    peers = [peer("slow", "yes"), peer("quick", "yes"), peer("RQ", "no: in memory")]
    told = performance.goals(rounds, [*ours.SYSTEMS, *peers], {10: (2.0, 3.0), 1000: (3.0, 3.0)})
    assert "| … × the quickest durable peer | 5.00 |" in told
    assert "HyperQueue | 2.00 | 10 |" in told
    assert f"{MORE_WORKERS} where the others have 4 workers | 4.00 | 10 |" in told
    assert "| a claim among 1,000 jobs | 3.0 µs, 1.50 × |" in told


def test_single_requests_are_compared_with_hello_on_the_same_web_server() -> None:
    rounds, (eventlet, gevent) = Rounds(), request_rates.RATES
    rounds.rounds = [
        {eventlet.hello: 100, eventlet.one_job: 90, eventlet.founding: 20},
        {gevent.hello: 1000, gevent.one_job: 500, gevent.founding: 300, gevent.founding_hello: 400},
    ]
    text = performance.goals(rounds, ours.SYSTEMS, {})
    shares = [line.split(" | ")[1] for line in text.splitlines() if 'share of bare Flask "hello"' in line]
    assert shares == ["0.90", "0.20", "0.50", "0.30"]
    assert '"hello" under gevent twice a "job", jobs/s | 400 |' in performance.limits(rounds)
    assert "eventlet twice" not in performance.limits(rounds)


def ready(pause_s: float):
    """A worker that only sleeps."""
    time.sleep(2)  # getting ready is not counted
    return lambda: time.sleep(pause_s)


def test_a_race_is_timed_from_go_until_the_last_has_ended() -> None:
    assert 0.1 < race_s(ready, (0.3,), 2) < 2


def test_it_is_waited_for_until_nothing_is_left() -> None:
    counts = iter([30, 20, 10, 1, 0])
    assert empty_s(lambda: next(counts)) > 0
    with pytest.raises(StopIteration):
        next(counts)


def test_the_next_job_is_found_in_an_answer() -> None:
    answer = b'{"message":"","jobid":3,"next":{"jobid":4,"jobcmd":{"claim":"x"},"jobix":1,"claim":"abc","attempt":1}}'
    assert NEXT.search(answer).groups() == (b"4", b"abc")
