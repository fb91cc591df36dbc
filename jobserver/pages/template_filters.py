"""Formats numbers, times, histograms and the bar of stages for the pages. The browser draws none of these."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from flask import Flask

from jobserver.core import lifetimes
from jobserver.core.lifetimes import minutes, timestamp
from jobserver.core.lists import Progress
from jobserver.core.overview import Overview

FAR_MS = 32_503_680_000_000  # the year 3000
_STEPS = (  # of the time left: below so many ms, in steps of so many
    (60_000, 1000), (300_000, 5000), (1_200_000, 30_000), (7_200_000, 60_000), (86_400_000, 600_000),
    (float("inf"), 3_600_000),
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")  # HTML allows none of these
MOST_CHARACTERS = 24  # of a name in a table
MOST_STAGES = 100  # with a segment of their own; the others share the last segment
LEAST_WIDTH = 1.0  # percent: a stage with a single job stays visible
KINDS = {"wait": "waiting", "work": "working", "done": "done"}


@dataclass(frozen=True)
class Segment:
    """One stage in the bar. `kind`: wait, work or done. `x`, `width` and `late` (expired, failed or cancelled) are in
    percent."""

    name: str
    kind: str
    jobs: int
    flagged: int
    ended: int
    cancelled: int
    x: float = 0.0
    width: float = 0.0

    @property
    def late(self) -> float:
        """The width of the part that is expired, failed or cancelled."""
        return self.width * self.flagged / self.jobs

    @property
    def expired(self) -> int:
        """The number of jobs that are expired."""
        return self.flagged - self.ended

    @property
    def failed(self) -> int:
        """The number of jobs that have failed."""
        return self.ended - self.cancelled

    @property
    def regular(self) -> int:
        """The number of jobs that are not expired, failed or cancelled; all in a stage of done jobs, where none can
        be."""
        return self.jobs if self.kind == "done" else self.jobs - self.flagged

    @property
    def word(self) -> str:
        """The kind in words."""
        return KINDS[self.kind]


def register(app: Flask) -> None:
    """Gives the templates these filters."""
    app.jinja_env.finalize = lambda value: _CONTROL.sub("\ufffd", value) if type(value) is str else value
    app.jinja_env.filters.update(
        age=age, bar=bar, clock=clock, duration=duration, ends=ends, histogram=histogram, key=key,
        minutes=minutes, number=number, rate=rate, tenth=tenth, time_left=time_left, timestamp=timestamp,
        version=version,
    )  # fmt: skip


def number(value: float) -> str:
    """Formats a number with thousands separators: 1,234,567; one decimal below ten."""
    return f"{value:,.1f}" if isinstance(value, float) and value < 10 else f"{value:,.0f}"


def duration(ms: float | None) -> str:
    """Formats a duration in two units at most: 340 ms, 4.2 s, 41 s, 2 min 10 s, 3 h 5 min, 2 d 4 h."""
    if ms is None:
        return "–"
    if ms < 10_000:
        return f"{max(0, ms):.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
    seconds = int(ms // 1000)
    for unit_s, unit, smaller_s, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit_s:
            rest = seconds % unit_s // smaller_s
            return f"{seconds // unit_s} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"


def ends(name: str) -> str:
    """Shortens a long name in its middle: names that are paths differ at their ends."""
    return name if len(name) <= MOST_CHARACTERS else f"{name[:6]}…{name[7 - MOST_CHARACTERS :]}"


def rate(value: float | None) -> str:
    """Formats jobs per minute; a dash if unknown."""
    return "–" if value is None else f"{number(value)}/min"


def tenth(percent: float) -> str:
    """Formats a percentage with one decimal, so that its width is constant; 0 and 100 without."""
    return f"{percent:g}" if percent in (0, 100) else f"{percent:.1f}"


def age(ms: float) -> str:
    """Formats a duration without tenths of seconds; above ten minutes without seconds."""
    return duration(ms // 60_000 * 60_000 if ms >= 600_000 else max(0, ms) // 1000 * 1000) if ms >= 1000 else "0 s"


def time_left(overview: Overview) -> str:
    """Formats the range of the estimate in rough steps, or the reason why there is none."""
    left, progress = overview.estimate, overview.progress
    if overview.paused:
        return "paused"
    if progress.done == progress.jobs:
        return "all done"
    if progress.available + progress.working == 0:
        counts = {"failed": progress.failed, "cancelled": progress.cancelled}
        return ", ".join(f"{number(jobs)} {what}" for what, jobs in counts.items() if jobs) + ": retry them"
    if left.stalled:
        return "stalled"
    if left.least_ms is None or left.most_ms is None:
        return "–"
    least, most = _rough(left.least_ms), _rough(left.most_ms)
    return least if least == most else f"{least} to {most}"


def version(overview: Overview) -> str:
    """Returns a hash that changes with the tables of jobs, but not with the clock alone."""
    limits = [pace.lifetime_ms for pace in overview.paces]
    text = repr((sorted(overview.progress.stages.items()), overview.paused, limits))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def clock(ms: int) -> str:
    """Formats a time in the server's time zone, with the date if it is not today: 15:40, or 21 Nov 15:40."""
    if ms >= FAR_MS:
        return "far away"
    moment = datetime.fromtimestamp(ms / 1000)
    today = moment.date() == datetime.now().date()
    return moment.strftime("%H:%M" if today else "%-d %b %H:%M")


def histogram(took: Mapping[int, int], lifetime_ms: int) -> dict[str, object]:
    """Returns the bars of a histogram of durations, in percent of its width and height, and the position of the
    lifetime."""
    last = lifetimes.bucket(lifetime_ms) if lifetime_ms else 0
    low, high = min([*took, last or max(took)]) - 1, max([*took, last]) + 1
    wide, most = 100 / (high - low + 1), max(took.values())
    bars = [
        {"x": (bucket - low) * wide, "width": wide, "height": max(3, 100 * jobs / most), "jobs": jobs,
         "most": duration(lifetimes.upper_ms(bucket))}
        for bucket, jobs in sorted(took.items())
    ]  # fmt: skip
    line = (last - low) * wide if last else None
    return {
        "bars": bars,
        "line": line,
        "from": duration(lifetimes.upper_ms(low)),
        "to": duration(lifetimes.upper_ms(high)),
    }


def _kind(progress: Progress, stage: int) -> str:
    """Returns the kind of a stage: wait, work or done."""
    return "work" if stage % 2 else "done" if stage >= progress.last_stage else "wait"


def key(progress: Progress) -> list[Segment]:
    """Returns a segment for each stage, without positions; stages beyond MOST_STAGES share one."""
    stages = sorted(progress.stages.items())
    segments = [Segment(str(stage), _kind(progress, stage), *count) for stage, count in stages[:MOST_STAGES]]
    rest = [count for _, count in stages[MOST_STAGES:]]
    if rest:
        jobs, flagged, ended, cancelled = (sum(numbers) for numbers in zip(*rest, strict=True))
        segments.append(Segment(f"{len(rest):,} more stages", "wait", jobs, flagged, ended, cancelled))
    return segments


def bar(progress: Progress) -> list[Segment]:
    """Returns the stages with jobs as positioned segments; the width is the share of jobs."""
    filled = [segment for segment in key(progress) if segment.jobs]
    widths = [max(LEAST_WIDTH, 100 * segment.jobs / progress.jobs) for segment in filled]
    placed, x, total = [], 0.0, sum(widths)
    for segment, width in zip(filled, widths, strict=True):
        scaled = 100 * width / total
        placed.append(replace(segment, x=x, width=scaled))
        x += scaled
    return placed


def _rough(ms: int) -> str:
    step = next(step for below, step in _STEPS if ms < below)
    return duration(max(1000, round(ms / step) * step))
