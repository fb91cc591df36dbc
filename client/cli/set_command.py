"""The command `set`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict

import shtab
from rich.console import Console
from rich.progress import MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from ..api.responses import SetResponse
from ..api.submission import ListedJob, NumberedJob
from . import sources
from .context import connect
from .output import JSON, NEGATIVE, OK, error, print_json, say, warn

Add = Callable[..., argparse.ArgumentParser]


def add_set(add: Add) -> None:
    """Adds `set`."""
    command = add("set", "add jobs to the list; jobs that it has already are not changed", set_jobs, json=JSON)
    source = command.add_argument("source", nargs="?", metavar="FILE", help="a .json, .jsonl, .ndjson or .csv file")
    source.complete = shtab.FILE  # type: ignore[attr-defined]
    command.add_argument("--files", metavar="PATTERN", help="add a job for each file; in quotes: 'data/*.fits'")
    command.add_argument(
        "--skip-known",
        action="store_true",
        help="exit with 0 if inputs are not added because their id or name belongs to a job with different content",
    )


def set_jobs(arguments: argparse.Namespace) -> int:
    """Adds jobs, with a count in the terminal while that lasts."""
    client = connect(arguments)
    jobs: Iterable[NumberedJob | ListedJob] = (
        sources.from_path(arguments.source) if arguments.files is None else sources.from_files(arguments.files)
    )
    columns = (SpinnerColumn(), TextColumn("jobs sent:"), MofNCompleteColumn(), TimeElapsedColumn())
    total = SetResponse(0, 0)
    try:
        with Bars(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
            for response in client.set_batches(bars.track(jobs, total=None, update_period=0.2)):
                total += response
    except BaseException:  # also Ctrl-C
        if total.new or total.known:
            accepted = f"{total.new} new, {total.known} known jobs were accepted before"
            say(f"stopped: {accepted}. It is safe to send all again", sys.stderr)
        raise
    if arguments.json:
        print_json(asdict(total))
    else:
        say(f"{total.new} new, {total.known} known")
    if total.different:
        problem = _different(total)
        if not arguments.skip_known:
            error(f"{problem} Give them other ids or names, or use --skip-known to keep the jobs of the list")
            return NEGATIVE
        warn(problem.rstrip("."))
    elif not (total.new or total.known):
        warn(f"{arguments.source} contains no jobs")
    return OK


def _different(total: SetResponse) -> str:
    inputs, were = ("1 input", "was") if total.different == 1 else (f"{total.different} inputs", "were")
    examples = ", ".join(map(str, total.different_jobs)) + (
        ", …" if total.different > len(total.different_jobs) else ""
    )
    return f"{inputs} {were} not added: the ids or names belong to jobs with different content ({examples})."
