"""Displays of a progress: a bar in a terminal, lines in a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from .answers import Progress

LINE_EVERY_S = 10.0


class Bar:
    """A live bar, and lines below it."""

    def __init__(self, name: str) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f}%"),
            TextColumn("{task.fields[words]}", markup=False),
        )
        self._task = self._bars.add_task(name, total=None, words="")
        self._live = Live(console=Console())

    def __enter__(self) -> Bar:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: Progress, words: str, below: Sequence[str], over: bool) -> None:
        """Draws the bar anew."""
        self._bars.update(self._task, completed=progress.done, total=progress.jobs, words=words)
        self._live.update(Group(self._bars, *map(Text, below)), refresh=over)


class Lines:
    """A line when something changed, at most every 10 s, and the last one in any case; `below` along with it."""

    def __init__(self) -> None:
        self._last = ""
        self._due = 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, progress: Progress, words: str, below: Sequence[str], over: bool) -> None:
        """Prints the lines, if it is time."""
        told = "\n    ".join([f"{progress.name}: {progress.percent:5.1f}% {words}", *below])
        if over or (told != self._last and time.monotonic() >= self._due):
            print(told, flush=True)
            self._last, self._due = told, time.monotonic() + LINE_EVERY_S
