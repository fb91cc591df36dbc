"""Parses the journal into a Story."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from tests.faults.history.story import ACCEPTED, UNSURE, Beat, End, Grant, Story, Submission


def story_of(lines: Iterable[dict[str, Any]]) -> Story:
    """Builds the Story from the lines of the journal."""
    asks: dict[str, dict[str, Any]] = {}
    answers: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line["kind"] == "ask":
            asks[line["id"]] = line
        elif line["kind"] == "response":
            answers[line["id"]] = line
    story, first = Story(requests=len(asks), acknowledged=len(answers)), dict[str, float]()
    story.begun = min((ask["at"] for ask in asks.values()), default=0)
    for number, ask in asks.items():
        answer = answers.get(number, {})
        when = {
            "who": ask["who"], "at": ask["at"], "answered_at": answer.get("at"), "status": answer.get("status"),
            "code": _code(answer.get("answer")),
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
        story.ends.append(End(**when, job=int(reported[1]), to=int(reported[2]), claim=headers.get("claim"), said=body))
    elif path.startswith("/update_jobs"):
        outcomes = answer["jobs"] if accepted else [when] * len(body)
        for entry, outcome in zip(body, outcomes, strict=True):
            judged = when | {"status": outcome["status"], "code": outcome.get("error", when["code"])}
            story.ends.append(End(**judged, **_claim(entry), to=entry["jobstage"], said=entry))
    token = headers.get("claim") if path.startswith("/get") else headers.get("next-claim")
    if token:
        count = re.search(r"\bn=(\d+)", path)
        story.client_tokens[token] = int(count[1]) if count else 1
        if when["status"] is None or when["code"] in UNSURE:
            story.unsure.add(token)
        first.setdefault(token, when["at"])
        when = when | {"at": first[token]}
    if accepted:
        story.grants += [_grant(job, when) for job in _jobs(answer if path.startswith("/get") else answer.get("next"))]


def _code(answer: Any) -> str | None:
    return answer.get("error") if isinstance(answer, dict) else None


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
