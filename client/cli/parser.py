"""The command line of jm: options common to all commands, suggestions for mistyped words, and the parser."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import shtab

from ..version import version
from . import job_commands, list_commands, output, session_commands
from .context import DEFAULT_URL

Run = Callable[[argparse.Namespace], int]

NO_COMMAND = "after --, give the command that `work` runs for each job: work 0 -- fit {jobcmd[file]}"
OPTIONS = {"url": None, "jobix": None, "jobix_file": None, "ca_file": None, "retry_for_s": None, "json": False}


class _Parser(argparse.ArgumentParser):
    """A parser with one-line errors that suggest the command that was meant."""

    command_names: Iterable[str] = ()

    def error(self, message: str) -> NoReturn:
        """Prints the message and exits with 2."""
        unknown = re.search(r"argument COMMAND: invalid choice: '([^']*)'", message)
        if unknown:
            message = f"there is no command {unknown[1]!r}." + _suggestion(unknown[1], self.command_names)
        output.error(f"{message}{'' if message.endswith(('.', '?')) else '.'} See `{self.prog} --help`")
        raise SystemExit(2)


class _Command(_Parser):
    """The parser of a command. Options may stand between its positionals, which argparse alone does not allow."""

    _intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Called by argparse for a command. The intermixed method of argparse calls it once more."""
        if self._intermixed:
            return super().parse_known_args(args, namespace)
        self._intermixed = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = False

    def reject(self, words: list[str]) -> NoReturn:
        """The error for words that are neither options nor arguments of this command."""
        word = words[0]
        if not word.startswith("-"):
            self.error(f"unexpected argument {word!r}")
        options = re.findall(r"(?<![\w-])--[a-z][a-z-]*", self.format_help())
        self.error(f"there is no option {word}.{_suggestion(word.partition('=')[0], options)}")


def _suggestion(word: str, offered: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(offered), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


def _common() -> _Command:
    """The options of every command. They have no defaults: these would replace a value given before the command."""
    common = _Command(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("connection")
    group.add_argument(
        "--url", help=f"URL of the server (else JOBSERVER_URL, else from `jm login`, else {DEFAULT_URL})"
    )
    key_file = group.add_argument(
        "--jobix-file",
        metavar="FILE",
        help="file with the list's secret key, readable by you alone (else JOBSERVER_JOBIX_FILE, else from `jm login`)",
    )
    key_file.complete = shtab.FILE  # type: ignore[attr-defined]
    group.add_argument("--jobix", metavar="N", help="the secret key itself (visible in ps), else JOBSERVER_JOBIX")
    ca_file = group.add_argument(
        "--ca-file", metavar="FILE", help="PEM file of the authority that signed the server's certificate"
    )
    ca_file.complete = shtab.FILE  # type: ignore[attr-defined]
    group.add_argument(
        "--retry-for-s",
        type=float,
        metavar="S",
        help="how long to retry if the server is unreachable (default: 300; 10 for short commands in a terminal)",
    )
    return common


class Commands:
    """The commands of the parser, by name."""

    def __init__(self, top: _Parser, common: _Command) -> None:
        self._adder = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Command)
        self._common = common
        self.parsers: dict[str, _Command] = {}
        top.command_names = self.parsers

    def add(
        self, name: str, summary: str, run: Run, *, usage: str | None = None, json: str | None = None
    ) -> argparse.ArgumentParser:
        """Adds a command, and --json if it prints data."""
        parser = self._adder.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", parents=[self._common], usage=usage
        )
        parser.set_defaults(run=run)
        if json:
            parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=json)
        self.parsers[name] = parser
        return parser


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, except the command that `work` runs (all words after --)."""
    return _build()[0]


def _build() -> tuple[_Parser, Commands]:
    common = _common()
    top = _Parser(prog="jm", description="The client of a job_manager server.", parents=[common])
    top.add_argument("--version", action="version", version=f"job_manager {version()}")
    commands = Commands(top, common)
    for group in (list_commands, job_commands, session_commands):
        group.add_commands(commands.add)
    return top, commands


def parse(words: list[str]) -> argparse.Namespace:
    """The arguments; `run` is the function of the command, `words` are those after the first `--`."""
    cut = words.index("--") if "--" in words else len(words)
    top, commands = _build()
    if not words:
        top.print_help(sys.stderr)
        raise SystemExit(2)
    arguments = argparse.Namespace(**OPTIONS, words=words[cut + 1 :])
    _, unknown = top.parse_known_args(words[:cut], arguments)
    command = commands.parsers[arguments.command]
    if unknown:
        command.reject(unknown)
    if arguments.jobix is not None and arguments.jobix_file is not None:
        command.error("give --jobix-file or --jobix, not both")
    if (arguments.command == "work") != bool(arguments.words):
        command.error(NO_COMMAND)
    if arguments.command == "set" and (arguments.source is None) == (arguments.files is None):
        command.error("set takes a file, or --files PATTERN in quotes")
    if arguments.command == "check" and (arguments.old is None) != (arguments.new is None):
        command.error("check takes both OLD and NEW, or neither")
    if arguments.command == "completion":
        arguments.parser = top
    return arguments
