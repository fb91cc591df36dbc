"""Parses the journal into a RequestLog."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from tests.faults.history.request_log import (
    ACCEPTED,
    UNKNOWN_OUTCOMES,
    Grant,
    Heartbeat,
    Outage,
    Report,
    RequestLog,
    Submission,
)


def parse_journal(lines: Iterable[dict[str, Any]]) -> RequestLog:
    """Builds the RequestLog from the lines of the journal."""
    requests: dict[str, dict[str, Any]] = {}
    responses: dict[str, dict[str, Any]] = {}
    outages: list[Outage] = []
    for line in lines:
        if line["kind"] == "request":
            requests[line["id"]] = line
        elif line["kind"] == "response":
            responses[line["id"]] = line
        elif line["kind"] == "outage":
            outages.append(Outage(line["began_at"], line["start_ms"], line["end_ms"]))
    log = RequestLog(requests=len(requests), acknowledged=len(responses), outages=outages)
    sent_at = dict[str, float]()
    log.start_s = min((sent["at"] for sent in requests.values()), default=0)
    for number, sent in requests.items():
        response = responses.get(number, {})
        request = {
            "worker": sent["worker"],
            "at": sent["at"],
            "answered_at": response.get("at"),
            "status": response.get("status"),
            "code": _code(response.get("body")),
        }
        _add(log, sent, response.get("body"), request, sent_at)
    return log


def _add(
    log: RequestLog, sent: dict[str, Any], content: Any, request: dict[str, Any], sent_at: dict[str, float]
) -> None:
    path, headers, body = sent["path"], sent["headers"], sent["body"]
    accepted = request["status"] == ACCEPTED
    if path == "/set":
        log.submissions.append(Submission(**request, jobs={int(job): entry["jobcmd"] for job, entry in body.items()}))
        return
    if path == "/cancel_jobs":
        for job in body["jobs"]:
            if isinstance(job, int):
                log.cancelled_jobs.add(job)
            else:
                log.cancels.add((job["jobid"], job["claim"]))
        return
    if path.startswith("/heartbeat"):
        states = content["jobs"] if accepted else [{}] * len(body)
        for held, state in zip(body, states, strict=True):
            deadline = milliseconds(state.get("deadline"))
            log.heartbeats.append(Heartbeat(**request, **_claim(held), state=state.get("state"), deadline=deadline))
        return
    if report_path := re.match(r"/update_job/(\d+)/(\d+)", path):
        log.reports.append(
            Report(
                **request,
                job=int(report_path[1]),
                to=int(report_path[2]),
                claim=headers.get("claim"),
                body=body,
                left_in=content["jobstage"] if accepted else None,
            )
        )
    elif path.startswith("/update_jobs"):
        outcomes = content["jobs"] if accepted else [request] * len(body)
        for item, outcome in zip(body, outcomes, strict=True):
            outcome_of_report = request | {"status": outcome["status"], "code": outcome.get("error", request["code"])}
            left_in = outcome.get("jobstage") if accepted else None
            log.reports.append(
                Report(**outcome_of_report, **_claim(item), to=item["jobstage"], body=item, left_in=left_in)
            )
    token = headers.get("claim") if path.startswith("/get") else headers.get("next-claim")
    if token:
        count = re.search(r"\bn=(\d+)", path)
        log.client_tokens[token] = max(int(count[1]) if count else 1, log.client_tokens.get(token, 0))
        if request["status"] is None or request["code"] in UNKNOWN_OUTCOMES:
            log.uncertain_tokens.add(token)
        sent_at.setdefault(token, request["at"])
        request = request | {"at": sent_at[token]}
    if accepted:
        lease = re.search(r"\blease_s=([0-9.]+)", path)
        lease_ms = round(float(lease[1]) * 1000) if lease else 0
        jobs = _jobs(content if path.startswith("/get") else content.get("next"))
        log.grants += [_grant(job, request, lease_ms) for job in jobs]


def _code(content: Any) -> str | None:
    return content.get("error") if isinstance(content, dict) else None


def _claim(held: dict[str, Any]) -> dict[str, Any]:
    return {"job": held["jobid"], "claim": held["claim"]}


def _jobs(content: Any) -> Iterator[dict[str, Any]]:
    for job in content if isinstance(content, list) else [content]:
        if isinstance(job, dict):
            yield job


def _grant(job: dict[str, Any], request: dict[str, Any], lease_ms: int) -> Grant:
    return Grant(
        **request, **_claim(job), stage=job["jobstage"], attempt=job["attempt"], jobcmd=job["jobcmd"],
        deadline=milliseconds(job["deadline"]), lease_ms=lease_ms, time_limit=milliseconds(job.get("time_limit")),
    )  # fmt: skip


def milliseconds(timestamp: str | None) -> int:
    """An ISO 8601 timestamp of the server's in ms since 1970; 0 for none."""
    return round(datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp() * 1000) if timestamp else 0
