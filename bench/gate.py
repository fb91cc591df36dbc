"""Processes that prepare, start together on a signal, and are timed until the last one has ended."""

import time
from collections.abc import Callable
from typing import Any

from bench.started import CONTEXT

READY_S, LONGEST_S = 60, 120
Work = Callable[[], object]


def _run(prepare: Callable[..., Work], values: tuple[Any, ...], gate: Any, ended: Any) -> None:
    work = prepare(*values)
    gate.wait(READY_S)
    work()
    ended.release()  # here, not at the end of the process, which takes its time


def race_s(
    prepare: Callable[..., Work], values: tuple[Any, ...], n: int, left: Callable[[], int] | None = None
) -> float:
    """Seconds that n processes worked, each calling what prepare(*values) returned; without the time to get ready. With
    `left`, until nothing is left: some workers take their time to end, or never do."""
    gate, ended = CONTEXT.Barrier(n + 1), CONTEXT.Semaphore(0)
    processes = [CONTEXT.Process(target=_run, args=(prepare, values, gate, ended), daemon=True) for _ in range(n)]
    for process in processes:
        process.start()
    try:
        gate.wait(READY_S)
        if left is not None:
            return empty_s(left)
        begun = time.perf_counter()
        for _ in processes:
            if not ended.acquire(timeout=LONGEST_S):
                raise RuntimeError(f"a worker has not ended within {LONGEST_S} s")
        return time.perf_counter() - begun
    finally:
        for process in processes:
            process.kill()  # its work has ended, or is given up


def empty_s(left: Callable[[], int]) -> float:
    """Seconds until nothing is left, looking seldom at first and often at the end, so that looking costs little."""
    begun, at_first = time.perf_counter(), left()
    while (now_left := left()) > 0:
        passed_s = time.perf_counter() - begun
        if passed_s > LONGEST_S:
            raise RuntimeError(f"{now_left} jobs are left after {LONGEST_S} s")
        done = max(1, at_first - now_left)
        time.sleep(min(0.2, max(0.002, passed_s / done * now_left / 2)))
    return time.perf_counter() - begun
