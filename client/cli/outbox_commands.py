"""The command deliver, which empties the outbox of this machine."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..worker.left_reports import deliver_left
from ..worker.outbox import list_set_aside
from ..worker.stopping import Stopping
from .context import connect
from .output import NEGATIVE, OK, print_json, say

Add = Callable[..., argparse.ArgumentParser]


def add_deliver(add: Add) -> None:
    """Adds `deliver`."""
    add(
        "deliver",
        "deliver the results that workers on this machine could not deliver, and list the refused ones",
        deliver,
        json="print the numbers and the refused results as one line of JSON",
    )


def deliver(arguments: argparse.Namespace) -> int:
    """Delivers the reports in the outbox of this list. Returns 1 if the server refused a result."""
    client = connect(arguments)
    delivered = deliver_left(client, Stopping())
    refused = list_set_aside(client.list_key)
    if arguments.json:
        print_json(
            {
                "delivered": delivered.reports,
                "of_running_workers": delivered.of_running_workers,
                "set_aside": refused,
            }
        )
    else:
        say(f"delivered {delivered.reports} reports")
        if delivered.of_running_workers:
            say(f"{delivered.of_running_workers} workers are running, and deliver their own reports")
        for result in refused:
            say(f"refused: job {result['report']['jobid']}: {result['message']} ({result['file']})")
    return NEGATIVE if delivered.set_aside else OK
