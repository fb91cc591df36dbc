"""Commands about a whole list: init, check, lifetime, watch."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import asdict

from ..api.job_client import JobClient
from ..api.responses import Lifetime
from ..api.types import UNSET
from ..errors import Refused, WrongSecret
from .context import connect, create_jobix, require_list
from .output import JSON, NEGATIVE, OK, Hints, print_json, say, warn
from .values import number, requeue, seconds, whole
from .watching import watch

Add = Callable[..., argparse.ArgumentParser]
DEFAULT_BACKOFF_S = 5.0


def add_init(add: Add) -> None:
    """Adds `init`."""
    command = add("init", "create a job list; creates the --jobix-file if it does not exist", init, json=JSON)
    command.add_argument("minutes", nargs="*", type=number, help="lifetime of stage 0, 1, … in minutes; 0: no limit")
    command.add_argument("--name", help="public name of the list")
    _add_requeue(command, "below")
    command.add_argument(
        "--backoff-s",
        type=seconds,
        metavar="S",
        default=DEFAULT_BACKOFF_S,
        help="the pause after the first failure of a job, in every odd stage; see `jm lifetime` (default: %(default)g)",
    )


def add_check(add: Add) -> None:
    """Adds `check`."""
    command = add("check", "flag overdue jobs; with OLD and NEW also retry the flagged jobs of OLD", check, json=JSON)
    command.add_argument("old", metavar="OLD", type=whole, nargs="?", help="the stage whose flagged jobs move")
    command.add_argument("new", metavar="NEW", type=whole, nargs="?", help="the lower even stage that they move to")


def add_lifetime(add: Add) -> None:
    """Adds `lifetime`."""
    command = add("lifetime", "show the lifetime of a stage; with MINUTES or an option set it", lifetime, json=JSON)
    command.add_argument("stage", type=whole, help="the stage")
    command.add_argument("minutes", metavar="MINUTES", type=number, nargs="?", help="0: no limit")
    _add_requeue(command, argparse.SUPPRESS)
    command.add_argument(
        "--max-attempts", type=whole, metavar="N", help="attempts before a job fails permanently; 0: no limit"
    )
    command.add_argument(
        "--backoff-s",
        type=seconds,
        metavar="S",
        help="pause after a job's first failure; doubles with each failure up to 5 minutes, or 10 S; 0: none",
    )
    command.add_argument(
        "--retry-budget-s",
        type=seconds,
        metavar="S",
        help="time from a job's first failure after which the next failure is permanent; 0: no limit",
    )


def _add_requeue(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument(
        "--requeue",
        type=requeue,
        metavar="STAGE",
        default=default,
        help="the even stage to which jobs return when their lifetime ends; below: the even stage below; "
        "none: these jobs are flagged and stay" + (" (default: %(default)s)" if default == "below" else ""),
    )


def add_watch(add: Add) -> None:
    """Adds `watch`."""
    add(
        "watch",
        "show the progress of the list until all jobs are done",
        watch_list,
        json="print a line of JSON per change",
    )


def init(arguments: argparse.Namespace) -> int:
    """Creates the list, and its file with the secret key."""
    path = arguments.jobix_file or os.environ.get("JOBSERVER_JOBIX_FILE", "")
    created = bool(path) and arguments.jobix is None and not os.path.exists(path)
    if created:
        create_jobix(path)
    try:
        client = connect(arguments)
        name_before = "" if created or arguments.name is None else _name(client)
        minutes = client.init(
            arguments.minutes, name=arguments.name, requeue=arguments.requeue, backoff_s=arguments.backoff_s
        )
    except Refused:
        if created:
            os.unlink(path)  # no list has this key
        raise
    if created:
        say(f"created {path} with a new secret key. Keep it private: it grants full access to the list", sys.stderr)
    lifetimes = [client.lifetime(stage) for stage in minutes]
    name = client.progress().name
    if name_before not in ("", name):
        warn(f"list {name_before} is now named {name}. Links to its page by the old name are no longer valid")
    if arguments.json:
        print_json([asdict(one) for one in lifetimes])
        return OK
    requested = dict(enumerate(arguments.minutes))
    for one in lifetimes:
        line = _describe(one)
        if one.stage in requested and not _same(requested[one.stage], one.minutes):
            change = Hints(arguments).command("lifetime", one.stage, f"{requested[one.stage]:g}")
            line += f" (was set before: `{change}` changes it)"
        say(line)
    say(f"list {name}: {client.page_url(name)}")
    return OK


def _name(client: JobClient) -> str:
    """The name of the list; empty if there is none yet, which a closed server refuses."""
    try:
        return client.progress().name
    except WrongSecret:
        return ""


def check(arguments: argparse.Namespace) -> int:
    """Flags overdue jobs, and moves them back."""
    client = connect(arguments)
    response = client.check_stages(arguments.old, arguments.new)
    progress = require_list(client)
    if arguments.json:
        print_json(asdict(response))
    else:
        moved = f", {response.degraded} moved back to stage {arguments.new}" if arguments.new is not None else ""
        say(("no job is overdue or failed" if response.ok else f"{response.flagged} flagged") + moved)
        Hints(arguments).say_retries(progress)
    return OK if response.ok else NEGATIVE


def lifetime(arguments: argparse.Namespace) -> int:
    """Shows or sets a lifetime."""
    client = connect(arguments)
    target = getattr(arguments, "requeue", UNSET)
    numbers = {
        "minutes": arguments.minutes,
        "max_attempts": arguments.max_attempts,
        "backoff_s": arguments.backoff_s,
        "retry_for_s": arguments.retry_budget_s,
    }
    if target is UNSET and all(value is None for value in numbers.values()):
        require_list(client)
    response = client.lifetime(arguments.stage, requeue=target, **numbers)
    if arguments.json:
        print_json(asdict(response))
    else:
        say(_describe(response))
    return OK


def watch_list(arguments: argparse.Namespace) -> int:
    """Shows the progress until all jobs are done."""
    client = connect(arguments)
    return watch(client, require_list(client), Hints(arguments).retries, as_json=arguments.json)


def _describe(lifetime: Lifetime) -> str:
    words = [f"stage {lifetime.stage}: {_duration(lifetime.minutes)}"]
    if lifetime.minutes:
        words.append("then flagged" if lifetime.requeue is None else f"then back to stage {lifetime.requeue}")
    if lifetime.stage % 2:
        attempts = "1 attempt" if lifetime.max_attempts == 1 else f"{lifetime.max_attempts} attempts"
        words.append(f"at most {attempts}" if lifetime.max_attempts else "unlimited attempts")
    if lifetime.backoff_s:
        words.append(f"a pause of {lifetime.backoff_s:g} s after the first failure")
    if lifetime.retry_for_s:
        words.append(f"retries for {_duration(lifetime.retry_for_s / 60)}")
    return ", ".join(words)


def _duration(minutes: float) -> str:
    """Less than a minute in seconds."""
    if not minutes:
        return "no limit"
    if minutes < 1:
        return f"{minutes * 60:g} s"
    return "1 minute" if minutes == 1 else f"{minutes:g} minutes"


def _same(requested_minutes: float, minutes: float) -> bool:
    """The server stores whole milliseconds, at least one."""
    return bool(requested_minutes) == bool(minutes) and abs(requested_minutes - minutes) * 60_000 < 1
