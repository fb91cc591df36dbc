"""The bar of stages: the place and width of each segment in percent, and the key below it."""

from dataclasses import dataclass, replace

from jobserver.core.progress import Progress

MOST_STAGES = 100  # shown one by one; the others share the last segment
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
        """How many jobs are expired, and not failed."""
        return self.flagged - self.failed

    @property
    def word(self) -> str:
        """The kind in words."""
        return KINDS[self.kind]


def kind(progress: Progress, stage: int) -> str:
    """Whether jobs in a stage wait, are worked on, or are done."""
    return "work" if stage % 2 else "done" if stage >= progress.last_stage else "wait"


def key(progress: Progress) -> list[Segment]:
    """Every stage of the list, without places; beyond MOST_STAGES the rest as one."""
    stages = sorted(progress.stages.items())
    shown = [Segment(str(stage), kind(progress, stage), *count) for stage, count in stages[:MOST_STAGES]]
    rest = [count for _, count in stages[MOST_STAGES:]]
    if rest:
        jobs, flagged, failed = (sum(numbers) for numbers in zip(*rest, strict=True))
        shown.append(Segment(f"{len(rest):,} more stages", "wait", jobs, flagged, failed))
    return shown


def bar(progress: Progress) -> list[Segment]:
    """The stages that have jobs, each as wide as its share."""
    filled = [segment for segment in key(progress) if segment.jobs]
    widths = [max(LEAST_WIDTH, 100 * segment.jobs / progress.jobs) for segment in filled]
    placed, x, total = [], 0.0, sum(widths)
    for segment, width in zip(filled, widths, strict=True):
        scaled = 100 * width / total
        placed.append(replace(segment, x=x, width=scaled))
        x += scaled
    return placed
