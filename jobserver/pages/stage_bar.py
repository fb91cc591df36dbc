"""The bar of stages: the place and width of each segment in percent, and the key below it."""

from dataclasses import dataclass, replace

from jobserver.core.lists import Progress

MOST_STAGES = 100  # with a segment of their own; the others share the last segment
LEAST_WIDTH = 1.0  # percent: a stage with a single job stays visible
KINDS = {"wait": "waiting", "work": "working", "done": "done"}


@dataclass(frozen=True)
class Segment:
    """One stage in the bar. `kind`: wait, work or done. `x`, `width` and `late` (expired or failed) are in percent."""

    name: str
    kind: str
    jobs: int
    flagged: int
    failed: int
    x: float = 0.0
    width: float = 0.0

    @property
    def late(self) -> float:
        """The width of the part that is expired or failed."""
        return self.width * self.flagged / self.jobs

    @property
    def expired(self) -> int:
        """The number of jobs that are expired but not failed."""
        return self.flagged - self.failed

    @property
    def word(self) -> str:
        """The kind in words."""
        return KINDS[self.kind]


def kind(progress: Progress, stage: int) -> str:
    """Returns the kind of a stage: wait, work or done."""
    return "work" if stage % 2 else "done" if stage >= progress.last_stage else "wait"


def key(progress: Progress) -> list[Segment]:
    """Returns a segment for each stage, without positions; stages beyond MOST_STAGES share one."""
    stages = sorted(progress.stages.items())
    segments = [Segment(str(stage), kind(progress, stage), *count) for stage, count in stages[:MOST_STAGES]]
    rest = [count for _, count in stages[MOST_STAGES:]]
    if rest:
        jobs, flagged, failed = (sum(numbers) for numbers in zip(*rest, strict=True))
        segments.append(Segment(f"{len(rest):,} more stages", "wait", jobs, flagged, failed))
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
