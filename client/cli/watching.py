"""`watch`: the progress of a list as a live bar in a terminal, as lines elsewhere, or as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from ..api.job_client import JobClient
from ..api.responses import Progress
from .output import say

POLL_S = 1.0
RATE_OVER_S = 60.0
LINE_EVERY_S = 10.0
MAX_STAGES_SHOWN = 20


class Rate:
    """Jobs done per second, over the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def sample(self, now_s: float, done: int) -> None:
        """`done` jobs at this time."""
        self._samples.append((now_s, done))
        while len(self._samples) > 2 and self._samples[1][0] < now_s - RATE_OVER_S:
            self._samples.popleft()

    @property
    def per_second(self) -> float:
        """0 until there are two samples at different times."""
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return max(0.0, (last - first) / (last_s - first_s)) if last_s > first_s else 0.0


class Display(Protocol):
    """Where the progress is shown; a context manager."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def show(self, progress: Progress, summary: str, below: Sequence[str], finished: bool) -> None:
        """Shows the progress, with lines below it."""


class Bar:
    """A live bar in a terminal."""

    def __init__(self, name: str) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f}%"),
            TextColumn("{task.fields[summary]}", markup=False),
        )
        self._task = self._bars.add_task(name, total=None, summary="")
        self._live = Live(console=Console())

    def __enter__(self) -> Bar:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: Progress, summary: str, below: Sequence[str], finished: bool) -> None:
        """Draws the bar again."""
        self._bars.update(self._task, completed=progress.done, total=progress.jobs, summary=summary)
        self._live.update(Group(self._bars, *map(Text, below)), refresh=finished)


class _Lines:
    """Prints on a change, at most every `every_s`, and the last state in any case."""

    every_s = LINE_EVERY_S

    def __init__(self) -> None:
        self._last = ""
        self._due = 0.0

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, progress: Progress, summary: str, below: Sequence[str], finished: bool) -> None:
        """Prints, if it is due."""
        text = self._format(progress, summary, below)
        if finished or (text != self._last and time.monotonic() >= self._due):
            say(text)
            self._last, self._due = text, time.monotonic() + self.every_s

    def _format(self, progress: Progress, summary: str, below: Sequence[str]) -> str:
        return "\n    ".join([f"{progress.name}: {progress.percent:5.1f}% {summary}", *below])


class _JsonLines(_Lines):
    """A line of JSON for each change."""

    every_s = 0.0

    def _format(self, progress: Progress, summary: str, below: Sequence[str]) -> str:
        return json.dumps(asdict(progress))


def watch(
    client: JobClient, progress: Progress, hints: Callable[[Progress], list[str]], *, as_json: bool = False
) -> int:
    """Shows the progress until all jobs are done (0), or until all others have failed or were cancelled (1).

    progress: the current one. hints: lines about what a person has to do.
    """
    rate = Rate()
    rate.sample(time.monotonic(), progress.done)
    display: Display = _JsonLines() if as_json else Bar(progress.name) if sys.stdout.isatty() else _Lines()
    with display:
        while True:
            finished = progress.jobs > 0 and progress.done + progress.failed + progress.cancelled >= progress.jobs
            display.show(progress, summarize(progress, rate), _below(progress, hints), finished)
            if finished:
                return 1 if progress.failed or progress.cancelled else 0
            time.sleep(POLL_S)
            progress = client.progress()
            rate.sample(time.monotonic(), progress.done)


def _below(progress: Progress, hints: Callable[[Progress], list[str]]) -> list[str]:
    return [list_stages(progress), *hints(progress)] if progress.jobs else []


def summarize(progress: Progress, rate: Rate) -> str:
    """`12/40 done, 4 working, 3 jobs/s, 0:00:08 left`."""
    if not progress.jobs:
        return "no jobs yet: `jm set` adds them"
    counts = {
        "working": progress.working,
        "expired": progress.flagged - progress.failed - progress.cancelled,
        "failed": progress.failed,
        "cancelled": progress.cancelled,
    }
    words = [f"{progress.done}/{progress.jobs} done"]
    words += [f"{count} {name}" for name, count in counts.items() if count > 0]
    if rate.per_second:
        left_s = (progress.jobs - progress.done - progress.failed - progress.cancelled) / rate.per_second
        words += [f"{rate.per_second:.3g} jobs/s", f"{timedelta(seconds=round(left_s))} left"]
    return ", ".join(words)


def list_stages(progress: Progress) -> str:
    """`0: 120  1: 4  2: 33`: the stages that have jobs, and how many."""
    counts = [f"{stage}: {count.jobs}" for stage, count in sorted(progress.stages.items()) if count.jobs]
    if len(counts) > MAX_STAGES_SHOWN:
        counts[MAX_STAGES_SHOWN:] = [f"and {len(counts) - MAX_STAGES_SHOWN} more stages"]
    return "  ".join(counts)
