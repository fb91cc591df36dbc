"""Commands of an operator: cancel, skip, delete and retry jobs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ..api.job_client import JobClient
from ..api.responses import JobChanges
from .context import connect, require_list
from .output import JSON, NEGATIVE, OK, print_json, say, warn
from .values import whole

Add = Callable[..., argparse.ArgumentParser]

STATES = ("available", "working", "done", "expired", "failed", "cancelled", "skipped")
MAX_SHOWN = 20  # refused jobs


def add_cancel(add: Add) -> None:
    """Adds `cancel`."""
    command = _add(
        add, "cancel", "cancel jobs; running jobs are stopped by their workers at the next heartbeat", cancel
    )
    command.add_argument(
        "--claim", metavar="TOKEN", help="only if this claim, which `jm get` printed, still holds the named jobs"
    )
    _add_yes(command)


def add_skip(add: Add) -> None:
    """Adds `skip`."""
    command = _add(add, "skip", "give up on jobs that are not running: they count as done", skip)
    _add_yes(command)


def add_delete(add: Add) -> None:
    """Adds `delete`."""
    command = _add(add, "delete", "delete jobs that are not running, and their history", delete)
    _add_yes(command)


def add_retry(add: Add) -> None:
    """Adds `retry`."""
    command = _add(add, "retry", "retry expired, failed and cancelled jobs, without arguments all of them", retry)
    command.add_argument("--done", action="store_true", help="also done and skipped jobs, to do them again")
    command.add_argument(
        "--to", type=whole, metavar="STAGE", help="the even stage that they return to (default: the stage before)"
    )
    _add_yes(command)


def _add(add: Add, name: str, summary: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    command = add(name, summary, run, json=JSON)
    command.add_argument("jobids", metavar="ID", type=whole, nargs="*", help="the id of a job")
    command.add_argument("--state", choices=STATES, help="all jobs in this state")
    command.add_argument("--stage", type=whole, metavar="N", help="all jobs in this stage")
    command.add_argument("--worker", metavar="NAME", help="all jobs of this worker")
    command.add_argument("--text", metavar="TEXT", help="all jobs with this text in jobcmd or path")
    command.add_argument("--all", action="store_true", help="all jobs")
    return command


def _add_yes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def cancel(arguments: argparse.Namespace) -> int:
    """Cancels jobs."""
    chosen = _chosen(arguments)
    if arguments.claim is not None:
        if not arguments.jobids:
            raise ValueError("--claim needs the id of a job")
        chosen["jobs"] = [{"jobid": jobid, "claim": arguments.claim} for jobid in arguments.jobids]
    return _run(arguments, chosen, "cancelled", JobClient.cancel)


def skip(arguments: argparse.Namespace) -> int:
    """Skips jobs."""
    return _run(arguments, _chosen(arguments), "skipped", JobClient.skip)


def delete(arguments: argparse.Namespace) -> int:
    """Deletes jobs."""
    return _run(arguments, _chosen(arguments), "deleted", JobClient.delete)


def retry(arguments: argparse.Namespace) -> int:
    """Retries jobs."""
    chosen = _chosen(arguments, required=arguments.done) | {"to": arguments.to, "done": arguments.done}
    return _run(arguments, chosen, "retried", JobClient.retry, ask=arguments.done)


def _chosen(arguments: argparse.Namespace, required: bool = True) -> dict[str, Any]:
    """The selection of jobs. Raises ValueError if there is none, or if two of them contradict each other."""
    names = ("state", "stage", "worker", "text")
    filtered = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if sum(map(bool, (arguments.jobids, filtered, arguments.all))) > 1:
        raise ValueError("give ids, or a filter such as --state failed, or --all: only one of them")
    if arguments.jobids:
        return {"jobs": arguments.jobids}
    if required and not filtered and not arguments.all:
        raise ValueError("no jobs are selected: give ids, a filter such as --state failed, or --all")
    return filtered | {"all": arguments.all}


def _run(
    arguments: argparse.Namespace,
    chosen: dict[str, Any],
    done: str,
    action: Callable[..., JobChanges],
    ask: bool = True,
) -> int:
    client = connect(arguments)
    name = require_list(client).name
    if ask and not arguments.yes and not _confirmed(arguments, name):
        return NEGATIVE
    changes = action(client, **chosen)
    if arguments.json:
        print_json(asdict(changes))
    else:
        _say(changes, done)
    return NEGATIVE if changes.refused else OK


def _confirmed(arguments: argparse.Namespace, name: str) -> bool:
    """Whether the user confirms. Raises ValueError without a terminal."""
    if not sys.stdin.isatty():
        raise ValueError(f"`jm {arguments.command}` asks for confirmation in a terminal; elsewhere it needs --yes")
    ids = arguments.jobids
    jobs = f"job {ids[0]}" if len(ids) == 1 else f"{len(ids)} jobs" if ids else "all selected jobs"
    say(f"{arguments.command.capitalize()} {jobs} of list {name}? [y/N]", sys.stderr)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say(changes: JobChanges, done: str) -> None:
    jobs = "1 job" if changes.jobs == 1 else f"{changes.jobs} jobs"
    running = f", {changes.requested} running: stopped by the worker at the next heartbeat" if changes.requested else ""
    say(f"{jobs} {done}{running}")
    for refusal in changes.refused[:MAX_SHOWN]:
        warn(refusal.message.rstrip("."))
    if len(changes.refused) > MAX_SHOWN:
        warn(f"{len(changes.refused) - MAX_SHOWN} more jobs were refused")
