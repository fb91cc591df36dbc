"""`set`: fills a list with jobs, and says how far it came, also when it had to stop half-way."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from . import sources
from .api import JobClient


def add(client: JobClient, arguments: argparse.Namespace) -> int:
    """Adds jobs, with a count in the terminal while that lasts."""
    if arguments.files is not None:
        jobs: Iterator[sources.Numbered] = iter(sources.from_files(arguments.files))
    else:
        jobs = sources.from_path(arguments.source)
    columns = (SpinnerColumn(), TextColumn("jobs sent:"), MofNCompleteColumn(), TimeElapsedColumn())
    new = known = 0
    try:
        with Bars(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
            for answer in client.set_batches(bars.track(jobs, total=None, update_period=0.2)):
                new, known = new + answer.new, known + answer.known
    except BaseException:  # Ctrl-C too
        told = f"{new} new, {known} known were accepted before; to send all of it again does no harm"
        print(f"stopped: {told}", file=sys.stderr)
        raise
    print(f"{new} new, {known} known")
    if known:
        print("the known ones were left as they are: do the numbers still stand for the same jobs?", file=sys.stderr)
    return 0
