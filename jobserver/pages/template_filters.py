"""How numbers, times and histograms look on a page."""

import re
from collections.abc import Mapping
from datetime import datetime

from flask import Flask

from jobserver.core import durations
from jobserver.core.lifetimes import minutes, timestamp

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")  # HTML allows none of these


def register(app: Flask) -> None:
    """Gives the templates these filters."""
    app.jinja_env.finalize = lambda value: _CONTROL.sub("\ufffd", value) if type(value) is str else value
    app.jinja_env.filters.update(
        minutes=minutes, timestamp=timestamp, duration=duration, number=number, clock=clock, histogram=histogram
    )


def number(value: float) -> str:
    """With thousands apart: 1,234,567; one decimal below ten."""
    return f"{value:,.1f}" if isinstance(value, float) and value < 10 else f"{value:,.0f}"


def duration(ms: float | None) -> str:
    """A span of time in two units at most: 340 ms, 4.2 s, 41 s, 2 min 10 s, 3 h 5 min, 2 d 4 h."""
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


def clock(ms: int) -> str:
    """The server's hour, with the day where it isn't today: 15:40, or 21 Nov 15:40."""
    moment = datetime.fromtimestamp(ms / 1000)
    today = moment.date() == datetime.now().date()
    return moment.strftime("%H:%M" if today else "%-d %b %H:%M")


def histogram(took: Mapping[int, int], lifetime_ms: int) -> dict[str, object]:
    """Bars of a histogram of durations, in percent of its width and height, and where the lifetime stands in it."""
    last = durations.bucket(lifetime_ms) if lifetime_ms else 0
    low, high = min([*took, last or max(took)]) - 1, max([*took, last]) + 1
    wide, most = 100 / (high - low + 1), max(took.values())
    bars = [
        {"x": (bucket - low) * wide, "width": wide, "height": max(3, 100 * jobs / most), "jobs": jobs,
         "most": duration(durations.upper_ms(bucket))}
        for bucket, jobs in sorted(took.items())
    ]  # fmt: skip
    line = (last - low) * wide if last else None
    return {
        "bars": bars,
        "line": line,
        "from": duration(durations.upper_ms(low)),
        "to": duration(durations.upper_ms(high)),
    }
