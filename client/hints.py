"""Hints: how to go on from here, as commands that can be pasted into the same terminal."""

from __future__ import annotations

import argparse
import shlex
import sys

from .answers import Progress
from .arguments import default_url
from .transport import shown

NO_LIST = "this server has no list with this jobix: is it the right one? `init` makes a new list"


class Hints:
    """Commands for the same list on the same server as the command that `arguments` are of."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._same: list[str] = []
        if arguments.url != default_url():
            self._same += ["--url", shown(arguments.url)]
        if arguments.jobix is not None:
            self._same += ["--jobix", "N"]  # the secret is not for the screen
        elif arguments.jobix_file is not None:
            self._same += ["--jobix-file", arguments.jobix_file]
        if arguments.ca_file is not None:
            self._same += ["--ca-file", arguments.ca_file]

    def command(self, *words: object) -> str:
        """`python -m client <words>`, by this very Python."""
        return shlex.join([sys.executable or "python3", "-m", "client", *map(str, words), *self._same])

    def stuck(self, progress: Progress) -> list[str]:
        """A line for each stage in which jobs have expired or failed for good: how to send them back."""
        lines = []
        for stage, count in sorted(progress.stages.items()):
            counts = {"expired": count.flagged - count.failed, "failed for good": count.failed}
            said = ", ".join(f"{number} {what}" for what, number in counts.items() if number > 0)
            if stage % 2 and said:
                lines.append(f"{said}: `{self.command('check', stage, stage - 1)}` sends them back")
        return lines

    def say_stuck(self, progress: Progress) -> None:
        """Prints these lines, beside the answer."""
        for line in self.stuck(progress):
            print(line, file=sys.stderr)
