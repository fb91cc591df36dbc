"""Processes that prepare, start together on a signal, and are timed until the last one has finished."""

import time
from collections.abc import Callable
from typing import Any

from bench.servers import CONTEXT

READY_S, LONGEST_S = 60, 120
Work = Callable[[], object]


def _run(prepare: Callable[..., Work], values: tuple[Any, ...], gate: Any, finished: Any) -> None:
    work = prepare(*values)
    gate.wait(READY_S)
    work()
    finished.release()  # now, because the end of the process takes time


def race_s(
    prepare: Callable[..., Work], values: tuple[Any, ...], n: int, remaining: Callable[[], int] | None = None
) -> float:
    """Seconds in which n processes ran the function that prepare(*values) returned, without the preparation. With
    `remaining`, until that returns 0: some workers end late or never."""
    gate, finished = CONTEXT.Barrier(n + 1), CONTEXT.Semaphore(0)
    processes = [CONTEXT.Process(target=_run, args=(prepare, values, gate, finished), daemon=True) for _ in range(n)]
    for process in processes:
        process.start()
    try:
        gate.wait(READY_S)
        if remaining is not None:
            return time_until_empty_s(remaining)
        started = time.perf_counter()
        for _ in processes:
            if not finished.acquire(timeout=LONGEST_S):
                raise RuntimeError(f"a worker did not end within {LONGEST_S} s")
        return time.perf_counter() - started
    finally:
        for process in processes:
            process.kill()  # it has finished, or the time limit was reached


def time_until_empty_s(remaining: Callable[[], int]) -> float:
    """Seconds until remaining() returns 0. It polls seldom at first and often near the end, which costs little."""
    started, initial = time.perf_counter(), remaining()
    while (count := remaining()) > 0:
        elapsed_s = time.perf_counter() - started
        if elapsed_s > LONGEST_S:
            raise RuntimeError(f"{count} jobs remain after {LONGEST_S} s")
        done = max(1, initial - count)
        time.sleep(min(0.2, max(0.002, elapsed_s / done * count / 2)))
    return time.perf_counter() - started
