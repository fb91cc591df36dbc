"""When a worker that finds no job waits for one, and when it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from ..api.responses import Progress

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 60.0  # of one request: the protocol's
LONG_POLL_S = 20.0  # the default for one request
FIRST_WAIT_S = 1.0


class Waiting(Protocol):
    """The rule of one run."""

    def begin(self) -> None:
        """The worker starts to look for a job."""

    def next_wait_s(self) -> float:
        """How long the next request waits for a job."""

    def ends(self) -> bool:
        """Whether the worker ends, after a request that found no job."""


class WaitFor:
    """Ends when there was no job for `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._give_up_at = 0.0

    def begin(self) -> None:
        """Starts the time."""
        self._give_up_at = time.monotonic() + self._wait_s

    def next_wait_s(self) -> float:
        """The rest of the time."""
        return max(0.0, self._give_up_at - time.monotonic())

    def ends(self) -> bool:
        """When the time is over."""
        return time.monotonic() >= self._give_up_at


class Forever:
    """Ends only on request."""

    def begin(self) -> None:
        """Nothing to prepare."""

    def next_wait_s(self) -> float:
        """Always the same."""
        return LONG_POLL_S

    def ends(self) -> bool:
        """Never."""
        return False


class UntilDone:
    """Ends when no job can come to the stage any more: none waits there, in an earlier stage, or is worked on.

    progress: requests the counts of the list; None if the worker was stopped meanwhile. Jobs that are flagged do not
    count: they need a person. No message wakes the worker when the last job is done, so its waits become longer:
    it ends at most twice as late.
    """

    def __init__(self, progress: Callable[[], Progress | None], stage: int, working_stage: int) -> None:
        self._progress = progress
        self._stage = stage
        self._working_stage = working_stage
        self._wait_s = 0.0
        self._is_reported = False

    def begin(self) -> None:
        """The first request does not wait."""
        self._wait_s = 0.0

    def next_wait_s(self) -> float:
        """Twice as long as the one before."""
        wait_s = self._wait_s
        self._wait_s = min(max(FIRST_WAIT_S, 2 * wait_s), LONG_POLL_S)
        return wait_s

    def ends(self) -> bool:
        """Requests the counts, and reports once what the worker waits for."""
        progress = self._progress()
        if progress is None:
            return True
        if self._stage >= progress.last_stage:
            log.warning(
                "no job can be claimed from stage %d: the jobs in the last stage of this list, %d, are done. "
                "Choose an earlier stage, or add stages with `jm init`",
                self._stage, progress.last_stage,
            )  # fmt: skip
            return True
        if progress.archived:
            log.warning("the list is archived: no worker gets its jobs until `jm restore`")
            return True
        if not progress.jobs:
            log.warning("the list has no jobs: add some, for example with `jm set`")
            return True
        expected = _expected(progress, self._stage, self._working_stage)
        if expected and not self._is_reported:
            self._is_reported = True
            log.warning("no job available; waiting for %s. Ctrl-C ends the worker", expected)
        return not expected


def _expected(progress: Progress, stage: int, working_stage: int) -> str:
    """Describes the jobs that may still come to the stage; "" if there are none."""
    active = {number: count.jobs - count.flagged for number, count in progress.stages.items()}
    counts = {
        "in earlier stages": sum(jobs for number, jobs in active.items() if number < stage),
        f"in stage {stage} with a delay, or in a paused list": active.get(stage, 0),
        "that other workers hold": sum(jobs for number, jobs in active.items() if stage < number <= working_stage),
    }
    return ", ".join(
        f"{count} {'job' if count == 1 else 'jobs'} {where}" for where, count in counts.items() if count > 0
    )
