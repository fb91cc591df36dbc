"""`watch`: a job list's progress in the terminal, live, or as plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from .answers import Progress
from .api import JobClient

LOOK_EVERY_S = 1.0
LINE_EVERY_S = 10.0
RATE_OVER_S = 60.0


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


def watch(client: JobClient) -> int:
    """Shows the progress until all jobs are done (0), or until those that aren't have failed for good (1)."""
    rate = Rate()
    progress = client.progress()
    rate.saw(time.monotonic(), progress.done)
    show = _Bar(progress) if sys.stdout.isatty() else _Lines()
    with show:
        while True:
            over = progress.jobs > 0 and progress.done + progress.failed >= progress.jobs
            show.show(progress, _in_words(progress, rate), over)
            if over:
                return 1 if progress.failed else 0
            time.sleep(LOOK_EVERY_S)
            progress = client.progress()
            rate.saw(time.monotonic(), progress.done)


def _in_words(progress: Progress, rate: Rate) -> str:
    # A job that failed for good stays in its odd stage, but nobody works on it.
    working = sum(count.jobs - count.failed for stage, count in progress.stages.items() if stage % 2)
    counts = {"working": working, "flagged": progress.flagged, "failed": progress.failed}
    words = [f"{progress.done}/{progress.jobs} done"]
    words += [f"{count} {name}" for name, count in counts.items() if count]
    if rate.a_second:
        left_s = (progress.jobs - progress.done - progress.failed) / rate.a_second
        words += [f"{rate.a_second:.3g} jobs/s", f"{timedelta(seconds=round(left_s))} left"]
    return ", ".join(words)


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f}%"),
            TextColumn("{task.fields[words]}", markup=False),
            console=Console(),
        )
        self._task = self._bars.add_task(progress.name, total=None, words="")

    def __enter__(self) -> _Bar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, progress: Progress, words: str, over: bool) -> None:
        """Draws the bar anew."""
        self._bars.update(self._task, completed=progress.done, total=progress.jobs, words=words)


class _Lines:
    """For a file or a pipe: a line when something changed, at most every 10 s, and the last one in any case."""

    def __init__(self) -> None:
        self._last = ""
        self._due = 0.0

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, progress: Progress, words: str, over: bool) -> None:
        """Prints the line, if it is time."""
        line = f"{progress.name}: {progress.percent:5.1f}% {words}"
        if over or (line != self._last and time.monotonic() >= self._due):
            print(line, flush=True)
            self._last, self._due = line, time.monotonic() + LINE_EVERY_S
