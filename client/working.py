"""`work`: a worker on the command line, and what it says of its work at the end."""

from __future__ import annotations

import argparse
import contextlib
import sys

from .answers import Progress
from .api import JobClient
from .errors import AllFailed, ClientError
from .hints import NO_LIST, Hints
from .worker import Worker

OF_A_SIGNAL = 128
LOOK_FOR_S = 5.0  # only for a hint: a server that is away is not waited for


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
    progress = _look(client)
    if progress is not None and not progress.name:
        print(f"warning: {NO_LIST}", file=sys.stderr)
    try:
        tally = worker.run()
    except AllFailed:
        _say_stuck(client, arguments)
        raise
    counts = {"failed": tally.failed, "given back": tally.given_back, "taken away": tally.lost}
    words = [f"{tally.done} done"] + [f"{count} {name}" for name, count in counts.items() if count]
    print(", ".join(words), file=sys.stderr)
    if tally.signum is not None:
        return OF_A_SIGNAL + tally.signum
    _say_stuck(client, arguments)
    return 0


def _say_stuck(client: JobClient, arguments: argparse.Namespace) -> None:
    progress = _look(client)
    if progress is not None:
        Hints(arguments).say_stuck(progress)


def _look(client: JobClient) -> Progress | None:
    with contextlib.suppress(ClientError):
        return client.another(timeout_s=LOOK_FOR_S, retry_for_s=0).progress()
    return None
