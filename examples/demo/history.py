"""The claims that the workers recorded, and the verdict on them.

Each worker appends one JSON line for each event to its own log, in a single write, so that a SIGKILL leaves complete
lines: `ready`; `claimed`, after the response of the server; `started`, at the start of the work; `renewed` or
`not held`, after a heartbeat; `reporting`, before the report; and, after its response, `ended` with the job's new
stage, or `lost`. A heartbeat and a report may be sent at the same time; the heartbeat may then return that the job is
not held, but only the response to the report counts. Times are seconds of the machine's monotonic clock, which all
processes share.
"""

import hashlib
import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Log:
    """The log of one worker: append-only, one write for each event."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, event: str, **facts: object) -> None:
        """Appends one event with the current time. A `claim` is secret: only its digest is written."""
        if "claim" in facts:
            facts["claim"] = hashlib.sha256(str(facts["claim"]).encode()).hexdigest()[:16]
        line = json.dumps({"at_s": time.monotonic(), "event": event, **facts})
        os.write(self._descriptor, line.encode() + b"\n")


@dataclass
class Hold:
    """One claim of a worker on one job, from the server's response until its end. Times in seconds."""

    jobid: int
    stage: int
    claim: str
    worker: str
    attempt: int
    start_s: float
    valid_until_s: float  # the claim cannot have expired before: its lifetime starts after the request
    end_s: float = math.inf
    outcome: str = "held"  # then done, released, lost or killed
    reporting_s: float | None = None

    @property
    def working_stage(self) -> int:
        return self.stage + 1


@dataclass
class History:
    """All claims of one worker, read from its log as it grows."""

    worker: str
    path: Path
    lifetime_s: float
    ready: bool = False
    holds: list[Hold] = field(default_factory=list)
    _read_to: int = 0
    _open: dict[tuple[int, str], Hold] = field(default_factory=dict)  # by jobid and claim
    _last: Hold | None = None
    _known: set[tuple[int, str]] = field(default_factory=set)

    def read(self) -> None:
        """Reads the new lines of the log."""
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(self._read_to)
            new = log.read()
        no_wrap = new[: new.rfind(b"\n") + 1]
        self._read_to += len(no_wrap)
        for line in no_wrap.splitlines():
            self._apply(json.loads(line))

    def current_claim(self) -> Hold | None:
        """The newest claim, if it has certainly not been reported yet. None between two jobs."""
        hold = self._last
        return hold if hold is not None and hold.outcome == "held" and hold.reporting_s is None else None

    def killed(self, at_s: float) -> None:
        """Ends all open claims at the worker's death."""
        for hold in self._open.values():
            hold.end_s, hold.outcome = at_s, "killed"
        self._open.clear()

    def _apply(self, event: dict[str, Any]) -> None:
        if event["event"] == "ready":
            self.ready = True
            return
        at_s, key = float(event["at_s"]), (int(event["jobid"]), str(event["claim"]))
        if event["event"] == "claimed":
            self._claimed(event, at_s, key)
        elif hold := self._open.get(key):
            if event["event"] == "started":
                self._last = hold
            elif event["event"] == "renewed":
                hold.valid_until_s = float(event["requested_s"]) + self.lifetime_s
            elif event["event"] == "reporting":
                hold.reporting_s = at_s
            elif event["event"] in ("ended", "lost") or (event["event"] == "not held" and hold.reporting_s is None):
                self._open.pop(key)
                _end(hold, event.get("jobstage"), at_s)

    def _claimed(self, event: dict[str, Any], at_s: float, key: tuple[int, str]) -> None:
        if key in self._known:
            return  # the same claim was requested again because its response was lost
        self._known.add(key)
        self._open[key] = Hold(
            jobid=key[0],
            stage=int(event["stage"]),
            claim=key[1],
            worker=self.worker,
            attempt=int(event["attempt"]),
            start_s=at_s,
            valid_until_s=float(event["requested_s"]) + self.lifetime_s,
        )
        self.holds.append(self._open[key])


def _end(hold: Hold, jobstage: int | None, at_s: float) -> None:
    """jobstage: the job's new stage according to the server; None if the claim was no longer held."""
    hold.end_s = at_s
    if jobstage is None:
        hold.outcome = "lost"
        hold.end_s = min(at_s, hold.valid_until_s)  # the worker is informed late
    elif jobstage > hold.working_stage:
        hold.outcome = "done"
    else:
        hold.outcome = "released"
        hold.end_s = at_s if hold.reporting_s is None else hold.reporting_s  # another worker may hold it now


@dataclass(frozen=True)
class Verdict:
    """The counts, and the jobs that make a count wrong. claims: the number of compared claims."""

    files: int
    claims: int
    done: int
    claimed_twice_at_once: tuple[tuple[Hold, Hold], ...]
    done_twice: tuple[tuple[int, int], ...]  # (jobid, stage)
    lost: tuple[int, ...]  # jobids
    server_done: int

    @property
    def all_correct(self) -> bool:
        """True if each job was done once, by one worker at a time, and the server's count is equal."""
        problems = self.claimed_twice_at_once or self.done_twice or self.lost
        return not problems and self.done == self.files == self.server_done


def judge(holds: Iterable[Hold], expected: Mapping[int, bool], stages: Sequence[int], server_done: int) -> Verdict:
    """Judges a run by the claims of all its workers.

    expected: the submitted jobids, each with whether all its outputs exist; stages: the even stages that are
    processed; server_done: the server's own count.
    """
    by_step: dict[tuple[int, int], list[Hold]] = defaultdict(list)
    for hold in holds:
        by_step[hold.jobid, hold.stage].append(hold)
    overlapping: list[tuple[Hold, Hold]] = []
    times_done: dict[tuple[int, int], int] = {}
    for step, held in by_step.items():
        held.sort(key=lambda hold: hold.start_s)
        longest = held[0]
        for later in held[1:]:
            if later.start_s < longest.end_s:
                overlapping.append((longest, later))
            longest = max(longest, later, key=lambda hold: hold.end_s)
        times_done[step] = sum(hold.outcome == "done" for hold in held)
    lost = [
        jobid
        for jobid, has_outputs in expected.items()
        if not (has_outputs and all(times_done.get((jobid, stage)) for stage in stages))
    ]
    return Verdict(
        files=len(expected),
        claims=sum(len(held) for held in by_step.values()),
        done=len(expected) - len(lost),
        claimed_twice_at_once=tuple(overlapping),
        done_twice=tuple(step for step, times in times_done.items() if times > 1),
        lost=tuple(lost),
        server_done=server_done,
    )
