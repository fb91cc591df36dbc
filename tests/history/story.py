"""What workers asked and were told, taken apart: submissions, grants, ends of claims, heartbeats."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from tests.history.final import Ended

ACCEPTED = 200
REPORTED = ("done", "back")  # outcomes that a worker must have reported


@dataclass(frozen=True)
class Asked:
    """One request. `at`, `told_at`: seconds of the monotonic clock; told_at None: no answer came."""

    who: str
    at: float
    told_at: float | None = None
    status: int | None = None


@dataclass(frozen=True)
class Submission(Asked):
    """Jobs that were sent, with their jobcmds."""

    jobs: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grant(Asked):
    """A job that a worker was told that it holds. `at`: when it was first asked for under this token."""

    job: int = 0
    claim: str = ""
    stage: int = 0  # from which it was taken
    attempt: int = 1
    deadline: int = 0  # ms
    jobcmd: Any = None


@dataclass(frozen=True)
class End(Asked):
    """A report. `claim` None: by a founding worker. `said`: what was reported."""

    job: int = 0
    claim: str | None = None
    to: int = 0
    code: str | None = None  # of the refusal
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether its worker was told that it was taken."""
        return self.status == ACCEPTED


@dataclass(frozen=True)
class Beat(Asked):
    """A heartbeat for one claim. `state`: what was answered, if anything was."""

    job: int = 0
    claim: str = ""
    state: str | None = None
    deadline: int = 0  # ms


@dataclass
class Story:
    """Everything that was asked. `steady`: by one server, whose clock nobody moved."""

    submissions: list[Submission] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    wishes: dict[str, int] = field(default_factory=dict)  # tokens that workers chose: for how many jobs
    requests: int = 0
    acknowledged: int = 0
    begun: float = 0
    steady: bool = False

    @cached_property
    def _reports(self) -> dict[int, list[End]]:
        found: dict[int, list[End]] = defaultdict(list)
        for end in self.ends:
            found[end.job].append(end)
        return found

    @cached_property
    def granted(self) -> dict[tuple[int, str], list[Grant]]:
        """By job and claim: each time that a worker was told of it."""
        found: dict[tuple[int, str], list[Grant]] = defaultdict(list)
        for grant in self.grants:
            found[grant.job, grant.claim].append(grant)
        return found

    def causes(self, one: Ended) -> list[End]:
        """The reports that may have ended a claim as it ended: those that prove it; and those of founding workers,
        which prove nothing, where the claim's token was not its worker's own. None if it was lost."""
        if one.outcome not in REPORTED:
            return []
        own = one.claim in self.wishes
        return [
            end
            for end in self._reports.get(one.job, [])
            if end.to == one.to and (end.claim == one.claim or (end.claim is None and not own))
        ]

    def clock(self, at: float | None) -> str:
        """A moment, from the run's beginning."""
        return "never" if at is None else f"{at - self.begun:.3f} s"


def told(lines: Iterable[dict[str, Any]]) -> Story:
    """The story that the journal's lines tell."""
    asks: dict[str, dict[str, Any]] = {}
    answers: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line["kind"] == "ask":
            asks[line["id"]] = line
        elif line["kind"] == "told":
            answers[line["id"]] = line
    story, first = Story(requests=len(asks), acknowledged=len(answers)), dict[str, float]()
    story.begun = min((ask["at"] for ask in asks.values()), default=0)
    for number, ask in asks.items():
        answer = answers.get(number, {})
        when = {
            "who": ask["who"], "at": ask["at"], "told_at": answer.get("at"), "status": answer.get("status")
        }  # fmt: skip
        _add(story, ask, answer.get("answer"), when, first)
    return story


def _add(story: Story, ask: dict[str, Any], answer: Any, when: dict[str, Any], first: dict[str, float]) -> None:
    path, headers, body = ask["path"], ask["headers"], ask["body"]
    accepted = when["status"] == ACCEPTED
    if path == "/set":
        story.submissions.append(Submission(**when, jobs={int(job): said["jobcmd"] for job, said in body.items()}))
        return
    if path == "/heartbeat":
        states = answer["jobs"] if accepted else [{}] * len(body)
        for held, state in zip(body, states, strict=True):
            deadline = milliseconds(state.get("deadline"))
            story.beats.append(Beat(**when, **_claim(held), state=state.get("state"), deadline=deadline))
        return
    if reported := re.match(r"/update_job/(\d+)/(\d+)", path):
        code = answer.get("error") if answer else None
        story.ends.append(
            End(**when, job=int(reported[1]), to=int(reported[2]), claim=headers.get("claim"), code=code, said=body)
        )
    elif path.startswith("/update_jobs"):
        outcomes = answer["jobs"] if accepted else [{}] * len(body)
        for entry, outcome in zip(body, outcomes, strict=True):
            judged = when | {"status": outcome.get("status")}
            story.ends.append(
                End(**judged, **_claim(entry), to=entry["jobstage"], code=outcome.get("error"), said=entry)
            )
    token = headers.get("claim") if path.startswith("/get") else headers.get("next-claim")
    if token:
        count = re.search(r"\bn=(\d+)", path)
        story.wishes[token] = int(count[1]) if count else 1
        first.setdefault(token, when["at"])
        when = when | {"at": first[token]}
    if accepted:
        story.grants += [_grant(job, when) for job in _jobs(answer if path.startswith("/get") else answer.get("next"))]


def _claim(held: dict[str, Any]) -> dict[str, Any]:
    return {"job": held["jobid"], "claim": held["claim"]}


def _jobs(answer: Any) -> Iterator[dict[str, Any]]:
    for job in answer if isinstance(answer, list) else [answer]:
        if isinstance(job, dict):
            yield job


def _grant(job: dict[str, Any], when: dict[str, Any]) -> Grant:
    return Grant(
        **when, **_claim(job), stage=job["jobstage"], attempt=job["attempt"], jobcmd=job["jobcmd"],
        deadline=milliseconds(job["deadline"]),
    )  # fmt: skip


def milliseconds(timestamp: str | None) -> int:
    """An ISO 8601 timestamp of the server's in ms since 1970; 0 for none."""
    return round(datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp() * 1000) if timestamp else 0
