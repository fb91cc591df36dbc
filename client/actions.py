"""What each command of `python -m client` does: asks, prints, and answers its exit code."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from . import sources
from .api import JobClient
from .job import UNSET
from .jobixfile import find_jobix, make_jobix
from .watching import watch
from .worker import Worker

OK, NO = 0, 1  # NO: it was asked, and the answer is no
OF_A_SIGNAL = 128


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
    for stage, minutes in client.init(arguments.minutes, name=arguments.name).items():
        print(f"stage {stage}: {f'{minutes:g} minutes' if minutes else 'for ever'}")
    return OK


def add(client: JobClient, arguments: argparse.Namespace) -> int:
    """Adds jobs, with a count in the terminal while that lasts."""
    if arguments.files is not None:
        jobs: Iterator[sources.Numbered] = iter(sources.from_files(arguments.files))
    else:
        jobs = sources.from_path(arguments.source)
    columns = (SpinnerColumn(), TextColumn("jobs sent:"), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        answer = client.set(bars.track(jobs, total=None, update_period=0.2))
    print(f"{answer.new} new, {answer.known} known")
    if answer.new and answer.known:
        print("the known ones were left as they are: do the numbers still stand for the same jobs?", file=sys.stderr)
    return OK


def get(client: JobClient, arguments: argparse.Namespace) -> int:
    """Claims a job."""
    job = client.get(arguments.stage, arguments.working_stage, wait_s=arguments.wait_s)
    if job is None:
        print('"nada"' if arguments.json else "nada")
        return NO
    facts = {name: getattr(job, name) for name in ("jobid", "jobcmd", "stage", "working_stage", "claim", "attempt")}
    facts["deadline"] = None if job.deadline is None else job.deadline.isoformat()
    if arguments.json:
        _print_json(facts)
        return OK
    for name, value in facts.items():
        print(f"{name}: {json.dumps(value, ensure_ascii=False) if name == 'jobcmd' else value}")
    print(f"when done: python -m client update {job.jobid} {job.done_stage} --claim {job.claim}")
    return OK


def update(client: JobClient, arguments: argparse.Namespace) -> int:
    """Ends a claim."""
    answer = client.update(
        arguments.jobid,
        arguments.next_stage,
        claim=arguments.claim,
        filename=arguments.filename,
        jobcmd=getattr(arguments, "jobcmd", UNSET),
        result=getattr(arguments, "result", UNSET),
        error=arguments.error,
    )
    if arguments.json:
        facts = dataclasses.asdict(answer)
        del facts["next"]  # was not asked for
        _print_json(facts)
    else:
        print(answer.message)
    return OK


def work(client: JobClient, arguments: argparse.Namespace) -> int:
    """Works until no job is left, or a signal."""
    worker = Worker(
        client,
        arguments.stage,
        arguments.words,
        working_stage=arguments.working_stage,
        wait_s=arguments.wait_s,
        forever=arguments.forever,
        filename=arguments.filename,
    )
    tally = worker.run()
    counts = {"given back with an error": tally.failed, "given back": tally.given_back, "taken away": tally.lost}
    words = [f"{tally.done} done"] + [f"{count} {name}" for name, count in counts.items() if count]
    print(", ".join(words), file=sys.stderr)
    return OK if tally.signum is None else OF_A_SIGNAL + tally.signum


def check(client: JobClient, arguments: argparse.Namespace) -> int:
    """Flags overdue jobs, and moves them back."""
    answer = client.check_stages(arguments.old, arguments.new)
    if arguments.json:
        _print_json(dataclasses.asdict(answer))
    else:
        print("ok" if answer.ok else f"{answer.flagged} flagged", end="")
        print(f", {answer.degraded} moved back to stage {arguments.new}" if arguments.new is not None else "")
    return OK if answer.ok else NO


def lifetime(client: JobClient, arguments: argparse.Namespace) -> int:
    """Shows or sets a lifetime."""
    answer = client.lifetime(
        arguments.stage, arguments.minutes, requeue=arguments.requeue, max_attempts=arguments.max_attempts
    )
    if arguments.json:
        _print_json(dataclasses.asdict(answer))
        return OK
    print(f"stage {answer.stage}: {f'{answer.minutes:g} minutes' if answer.minutes else 'for ever'}", end="")
    print(", then " + ("flagged" if answer.requeue is None else f"back to stage {answer.requeue}"), end="")
    print(f", at most {answer.max_attempts} attempts" if answer.max_attempts else ", any number of attempts")
    return OK


def _watch(client: JobClient, arguments: argparse.Namespace) -> int:
    return watch(client)


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
