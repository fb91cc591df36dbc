"""What each command of `python -m client` does: asks, prints, and answers its exit code."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from .answers import Lifetime, Progress
from .api import JobClient
from .errors import BadJobix, ClaimLost
from .filling import add
from .hints import NO_LIST, Hints
from .job import UNSET
from .jobixfile import find_jobix, make_jobix
from .watching import watch
from .working import work

OK, NO = 0, 1  # NO: it was asked, and the answer is no


def connect(arguments: argparse.Namespace) -> JobClient:
    """The client that the options and the environment describe."""
    path = arguments.jobix_file
    if arguments.command == "init" and path is not None and not os.path.exists(path):
        jobix = make_jobix(path)
        print(f"{path} now holds a new secret; whoever reads it can work on this job list", file=sys.stderr)
    else:
        jobix = find_jobix(arguments.jobix, path, os.environ)
    return JobClient(arguments.url, jobix, ca_file=arguments.ca_file, retry_for_s=arguments.retry_for_s)


def init(client: JobClient, arguments: argparse.Namespace) -> int:
    """Creates the list."""
    held = client.init(arguments.minutes, name=arguments.name, requeue=arguments.requeue)
    asked = dict(enumerate(arguments.minutes))
    for stage, minutes in held.items():
        line = _in_words(client.lifetime(stage))
        if stage in asked and not _same(asked[stage], minutes):
            again = Hints(arguments).command("lifetime", stage, f"{asked[stage]:g}")
            line += f" (was set before: `{again}` changes it)"
        print(line)
    return OK


def get(client: JobClient, arguments: argparse.Namespace) -> int:
    """Claims a job."""
    job = client.get(arguments.stage, arguments.working_stage, wait_s=arguments.wait_s)
    if job is None:
        _progress(client)
        print('"nada"' if arguments.json else "nada")
        return NO
    facts = {name: getattr(job, name) for name in ("jobid", "jobcmd", "stage", "working_stage", "claim", "attempt")}
    facts["deadline"] = None if job.deadline is None else job.deadline.isoformat()
    if arguments.json:
        _print_json(facts)
        return OK
    for name, value in facts.items():
        print(f"{name}: {json.dumps(value, ensure_ascii=False) if name == 'jobcmd' else value}")
    done = Hints(arguments).command("update", job.jobid, job.done_stage, "--claim", job.claim)
    print(f"when done: {done}")
    return OK


def update(client: JobClient, arguments: argparse.Namespace) -> int:
    """Ends a claim."""
    try:
        answer = client.update(
            arguments.jobid,
            arguments.next_stage,
            claim=arguments.claim,
            filename=arguments.filename,
            jobcmd=getattr(arguments, "jobcmd", UNSET),
            result=getattr(arguments, "result", UNSET),
            error=arguments.error,
        )
    except ClaimLost as problem:
        if arguments.claim is not None:
            raise
        message = f"{problem} Here that is --claim TOKEN, as `get` printed it"
        raise ClaimLost(message, problem.status, problem.code) from problem
    if arguments.json:
        facts = dataclasses.asdict(answer)
        del facts["next"]  # was not asked for
        _print_json(facts)
    else:
        print(answer.message)
    return OK


def check(client: JobClient, arguments: argparse.Namespace) -> int:
    """Flags overdue jobs, and moves them back."""
    answer = client.check_stages(arguments.old, arguments.new)
    progress = _progress(client)
    if arguments.json:
        _print_json(dataclasses.asdict(answer))
        return OK if answer.ok else NO
    print("ok" if answer.ok else f"{answer.flagged} flagged", end="")
    print(f", {answer.degraded} moved back to stage {arguments.new}" if arguments.new is not None else "")
    Hints(arguments).say_stuck(progress)
    return OK if answer.ok else NO


def lifetime(client: JobClient, arguments: argparse.Namespace) -> int:
    """Shows or sets a lifetime."""
    answer = client.lifetime(
        arguments.stage,
        arguments.minutes,
        requeue=getattr(arguments, "requeue", UNSET),
        max_attempts=arguments.max_attempts,
    )
    if arguments.json:
        _print_json(dataclasses.asdict(answer))
    else:
        print(_in_words(answer))
    return OK


def _watch(client: JobClient, arguments: argparse.Namespace) -> int:
    return watch(client, _progress(client), Hints(arguments).stuck)


def _progress(client: JobClient) -> Progress:
    """The list's progress; BadJobix if there is no such list, which an open server doesn't call an error."""
    progress = client.progress()
    if not progress.name:
        raise BadJobix(NO_LIST)
    return progress


def _in_words(lifetime: Lifetime) -> str:
    words = [f"stage {lifetime.stage}: {f'{lifetime.minutes:g} minutes' if lifetime.minutes else 'for ever'}"]
    if lifetime.minutes:
        words.append("then flagged" if lifetime.requeue is None else f"then back to stage {lifetime.requeue}")
    if lifetime.stage % 2:
        words.append(f"at most {lifetime.max_attempts} attempts" if lifetime.max_attempts else "any number of attempts")
    return ", ".join(words)


def _same(asked_minutes: float, minutes: float) -> bool:
    """The server keeps whole milliseconds, at least one."""
    return bool(asked_minutes) == bool(minutes) and abs(asked_minutes - minutes) * 60_000 < 1


def _print_json(value: Any) -> None:
    print(json.dumps(value))


ACTIONS: dict[str, Callable[[JobClient, argparse.Namespace], int]] = {
    "init": init,
    "set": add,
    "get": get,
    "update": update,
    "work": work,
    "check": check,
    "lifetime": lifetime,
    "watch": _watch,
}
