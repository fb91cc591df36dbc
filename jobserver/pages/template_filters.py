"""Formats numbers, times and histograms for the pages. The browser draws none of these."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from flask import Flask

from jobserver.core import lifetimes
from jobserver.core.lifetimes import minutes, timestamp
from jobserver.core.overview import Overview
from jobserver.pages import stage_bar

FAR_MS = 32_503_680_000_000  # the year 3000
_STEPS = (  # of the time left: below so many ms, in steps of so many
    (60_000, 1000), (300_000, 5000), (1_200_000, 30_000), (7_200_000, 60_000), (86_400_000, 600_000),
    (float("inf"), 3_600_000),
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")  # HTML allows none of these


def register(app: Flask) -> None:
    """Gives the templates these filters."""
    app.jinja_env.finalize = lambda value: _CONTROL.sub("\ufffd", value) if type(value) is str else value
    app.jinja_env.filters.update(
        age=age, bar=stage_bar.bar, clock=clock, duration=duration, histogram=histogram, key=stage_bar.key,
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


def _rough(ms: int) -> str:
    step = next(step for below, step in _STEPS if ms < below)
    return duration(max(1000, round(ms / step) * step))


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
