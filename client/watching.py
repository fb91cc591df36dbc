"""`watch`: a job list's progress in the terminal, live, or as plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from .answers import Progress
from .api import JobClient
from .displays import Bar, Lines

LOOK_EVERY_S = 1.0
RATE_OVER_S = 60.0
STAGES_SHOWN = 20


class Rate:
    """Jobs done a second, over the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def saw(self, now_s: float, done: int) -> None:
        """`done` jobs at this time."""
        self._seen.append((now_s, done))
        while len(self._seen) > 2 and self._seen[1][0] < now_s - RATE_OVER_S:
            self._seen.popleft()

    @property
    def a_second(self) -> float:
        """0 until two looks at least a moment apart."""
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return max(0.0, (last - first) / (last_s - first_s)) if last_s > first_s else 0.0


def watch(client: JobClient, progress: Progress, hints: Callable[[Progress], list[str]]) -> int:
    """Shows the progress until all jobs are done (0), or until those that aren't have failed for good (1).

    progress: as it is now. hints: lines about what has to be done by a person.
    """
    rate = Rate()
    rate.saw(time.monotonic(), progress.done)
    with Bar(progress.name) if sys.stdout.isatty() else Lines() as show:
        while True:
            over = progress.jobs > 0 and progress.done + progress.failed >= progress.jobs
            show.show(progress, in_words(progress, rate), [stages(progress), *hints(progress)], over)
            if over:
                return 1 if progress.failed else 0
            time.sleep(LOOK_EVERY_S)
            progress = client.progress()
            rate.saw(time.monotonic(), progress.done)


def in_words(progress: Progress, rate: Rate) -> str:
    """`12/40 done, 4 working, 3 jobs/s, 0:00:08 left`."""
    counts = {"working": progress.working, "expired": progress.flagged - progress.failed, "failed": progress.failed}
    words = [f"{progress.done}/{progress.jobs} done"]
    words += [f"{count} {name}" for name, count in counts.items() if count > 0]
    if rate.a_second:
        left_s = (progress.jobs - progress.done - progress.failed) / rate.a_second
        words += [f"{rate.a_second:.3g} jobs/s", f"{timedelta(seconds=round(left_s))} left"]
    return ", ".join(words)


def stages(progress: Progress) -> str:
    """`0: 120  1: 4  2: 33`: the stages that have jobs, and how many."""
    counts = [f"{stage}: {count.jobs}" for stage, count in sorted(progress.stages.items()) if count.jobs]
    if len(counts) > STAGES_SHOWN:
        counts[STAGES_SHOWN:] = [f"and {len(counts) - STAGES_SHOWN} stages more"]
    return "  ".join(counts)
