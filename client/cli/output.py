"""What jm prints: text without control characters, JSON, errors, and commands that can be pasted."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import sys
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from ..api.responses import Progress
from ..http.failures import printable
from ..http.transport import without_password

OK, NEGATIVE = 0, 1  # exit codes; NEGATIVE: the request succeeded, with a negative result
JSON = "print the response as one line of JSON"
NO_LIST = "this server has no list with this jobix. Check the key, or create a list with `jm init`"


class _Formatter(logging.Formatter):
    """Log lines that cannot control the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def configure_logging(level: int) -> None:
    """Sends warnings of the client to stderr, unless the program that calls us has configured logging."""
    if not logging.root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Formatter("%(message)s"))
        logging.root.addHandler(handler)
        logging.root.setLevel(level)


def say(text: str, file: TextIO | None = None) -> None:
    """Prints a line to stdout, or to `file`."""
    print(printable(text), file=file or sys.stdout, flush=True)


def print_json(value: Any) -> None:
    """Prints one line of JSON, in ASCII."""
    print(json.dumps(value), flush=True)


def error(text: str) -> None:
    """Prints an error to stderr."""
    _labelled("error:", "bold red", text)


def warn(text: str) -> None:
    """Prints a warning to stderr."""
    _labelled("warning:", "yellow", text)


def _labelled(label: str, style: str, text: str) -> None:
    """rich shows the colour in a terminal only, and not if NO_COLOR is set."""
    if sys.stderr.isatty():
        line = Text.assemble((label, style), " ", printable(text))
        Console(stderr=True).print(line, soft_wrap=True)
    else:
        say(f"{label} {text}", sys.stderr)


def program() -> list[str]:
    """The words that start this program again: jm, python -m client, or the path of jm.pyz."""
    path = sys.argv[0]
    if os.path.basename(path) == "__main__.py":
        return [sys.executable or "python3", "-m", __name__.partition(".")[0]]
    if path.endswith(".pyz"):
        return [sys.executable or "python3", path]
    return ["jm"]


class Hints:
    """Commands for the same list on the same server as the command with these arguments."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._options: list[str] = []
        if arguments.url is not None:
            self._options += ["--url", without_password(arguments.url)]
        if arguments.jobix is not None:
            self._options += ["--jobix", "N"]  # the secret key is not shown
        elif arguments.jobix_file is not None:
            self._options += ["--jobix-file", arguments.jobix_file]
        if arguments.ca_file is not None:
            self._options += ["--ca-file", arguments.ca_file]

    def command(self, *words: object) -> str:
        """A command line of this program."""
        return shlex.join([*program(), *map(str, words), *self._options])

    def retries(self, progress: Progress) -> list[str]:
        """A line for each stage in which jobs have expired or failed permanently: how to retry them."""
        lines = []
        for stage, count in sorted(progress.stages.items()):
            counts = {"expired": count.expired, "failed": count.failed, "cancelled": count.cancelled}
            jobs = ", ".join(f"{number} {what}" for what, number in counts.items() if number > 0)
            if stage % 2 and jobs:
                lines.append(f"{jobs}: `{self.command('check', stage, stage - 1)}` retries them")
        return lines

    def say_retries(self, progress: Progress) -> None:
        """Prints these lines to stderr."""
        for line in self.retries(progress):
            say(line, sys.stderr)
