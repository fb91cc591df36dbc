"""The command line of jm: options common to all commands, suggestions for mistyped words, and the parser."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

import shtab

from ..version import version
from ..worker.waiting import LONGEST_WAIT_S
from . import (
    job_commands,
    list_actions,
    list_commands,
    operator_commands,
    outbox_commands,
    output,
    session_commands,
    set_command,
    stage_commands,
    values,
    words,
)
from .context import DEFAULT_URL

Run = Callable[[argparse.Namespace], int]

ADDED_BY = (  # in the order of their first use, which is that of the help
    list_commands.add_init,
    session_commands.add_login,
    set_command.add_set,
    job_commands.add_work,
    list_commands.add_watch,
    list_commands.add_check,
    list_commands.add_lifetime,
    stage_commands.add_stage,
    operator_commands.add_retry,
    operator_commands.add_cancel,
    operator_commands.add_skip,
    operator_commands.add_delete,
    list_actions.add_archive,
    list_actions.add_restore,
    list_actions.add_delete_list,
    job_commands.add_get,
    job_commands.add_update,
    outbox_commands.add_deliver,
    session_commands.add_context,
    session_commands.add_logout,
    session_commands.add_completion,
)
MEANT = {"help": "--help", "list": "watch", "run": "work", "status": "watch"}  # names of other programs
NO_COMMAND = "put -- before the command that `work` runs for each job: jm work 0 -- fit '{jobcmd[file]}'"
FILES_IN_QUOTES = ". Put the pattern in quotes: --files 'data/*.csv'"


class _Parser(argparse.ArgumentParser):
    """A parser with one-line errors that suggest the word that was meant. Options may not be abbreviated."""

    def error(self, message: str) -> NoReturn:
        """Prints the message and exits with 2."""
        output.error(f"{message}{'' if message.endswith(('.', '?')) else '.'} See `{self.prog} --help`")
        raise SystemExit(2)

    @property
    def options(self) -> words.Options:
        """The options of this parser, and which of them take a value."""
        return {name: action.nargs != 0 for action in self._actions for name in action.option_strings}

    def reject_unknown(self, given: Sequence[str], known: words.Options) -> None:
        """Exits with an error if an option among these words is unknown."""
        for option in words.options_in(given, known):
            name = option.partition("=")[0]
            if name not in known:
                self.error(f"there is no option {option}.{_suggestion(name, known)}")


def _suggestion(word: str, offered: Iterable[str]) -> str:
    """Compares without dashes, which all options have in common."""
    by_name = {name.lstrip("-"): name for name in offered}
    close = difflib.get_close_matches(word.lstrip("-"), list(by_name), n=1, cutoff=0.6)
    return f" Did you mean {by_name[close[0]]}?" if close else ""


def _common(*, shown: bool) -> _Parser:
    """The options of every command. shown: in the help."""
    common = _Parser(add_help=False)
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
        type=values.seconds,
        metavar="S",
        help="how long to retry if the server is unreachable (default: 300; 10 for short commands in a terminal)",
    )
    if not shown:
        for action in common._actions:
            action.help = argparse.SUPPRESS
    return common


class Commands:
    """The commands of the parser, by name."""

    def __init__(self, top: _Parser, common: _Parser) -> None:
        self._adder = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
        self._common = common
        self.parsers: dict[str, _Parser] = {}

    def add(
        self, name: str, summary: str, run: Run, *, usage: str | None = None, json: str | None = None
    ) -> argparse.ArgumentParser:
        """Adds a command, and --json if it prints data."""
        parser = self._adder.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog="connection options: see `jm --help`",
            parents=[self._common],
            usage=usage,
            allow_abbrev=False,
        )
        parser.set_defaults(run=run)
        if json:
            parser.add_argument("--json", action="store_true", help=json)
        self.parsers[name] = parser
        return parser


def build_parser() -> argparse.ArgumentParser:
    """The whole command line with all help texts, except the command that `work` runs (all words after --)."""
    return _build(shown=True)[0]


def _build(*, shown: bool) -> tuple[_Parser, Commands]:
    top = _Parser(
        prog="jm",
        description="The client of a job_manager server.",
        parents=[_common(shown=True)],
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"job_manager {version()}")
    commands = Commands(top, _common(shown=shown))
    for add_to in ADDED_BY:
        add_to(commands.add)
    return top, commands


def parse(given: list[str]) -> argparse.Namespace:
    """The arguments; `run` is the function of the command, `words` are those after the first `--`."""
    top, commands = _build(shown=False)
    if not given:
        top.print_help(sys.stderr)
        raise SystemExit(2)
    cut = given.index("--") if "--" in given else len(given)
    name, before, after = _split(given[:cut], top, commands)
    command = commands.parsers[name]
    command.reject_unknown([*before, *after], command.options)
    command_of_work = given[cut + 1 :]
    if not {"-h", "--help"} & {*before, *after}:
        if name == "work" and not command_of_work:
            command.error(NO_COMMAND)
        if name != "work" and cut < len(given):
            command.error("only `work` takes words after --")
    arguments = argparse.Namespace(command=name, words=command_of_work)
    _, unexpected = command.parse_known_intermixed_args([*before, *after], arguments)
    if unexpected:
        several_files = name == "set" and arguments.files is not None
        command.error(f"unexpected argument {unexpected[0]!r}{FILES_IN_QUOTES if several_files else ''}")
    _check(arguments, command)
    return arguments


def _split(given: list[str], top: _Parser, commands: Commands) -> tuple[str, list[str], list[str]]:
    """The command, and the words before and after it."""
    options = {name: parser.options for name, parser in commands.parsers.items()}
    position = words.find_command(given, options)
    before = given if position is None else given[:position]
    if set(before) & {"-h", "--help", "--version"}:
        top.parse_args([word for word in before if word in ("-h", "--help", "--version")])  # exits
    every = {name: takes for one in (top.options, *options.values()) for name, takes in one.items()}
    if position is None or given[position] not in options:
        top.reject_unknown(before, every)
    if position is None:
        top.error("a command is missing")
    name = given[position]
    if name not in options:
        hint = f" Did you mean {MEANT[name]}?" if name in MEANT else _suggestion(name, options)
        top.error(f"there is no command {name!r}.{hint}")
    return name, before, given[position + 1 :]


def _check(arguments: argparse.Namespace, command: _Parser) -> None:
    """Exits with an error if the arguments contradict each other."""
    if arguments.jobix is not None and arguments.jobix_file is not None:
        command.error("give --jobix-file or --jobix, not both")
    if arguments.command == "set" and (arguments.source is None) == (arguments.files is None):
        command.error("set takes a file, or --files PATTERN in quotes")
    if arguments.command == "check" and (arguments.old is None) != (arguments.new is None):
        command.error("check takes both OLD and NEW, or neither")
    if arguments.command == "work":
        _check_waiting(arguments, command)
    if arguments.command == "login" and arguments.url is not None:
        command.error("login takes the URL as its argument: jm login URL, without --url")
    if arguments.command == "completion":
        arguments.parser = build_parser()


def _check_waiting(arguments: argparse.Namespace, command: _Parser) -> None:
    if (arguments.wait_s is not None) + arguments.forever + arguments.until_done > 1:
        command.error("give only one of --until-done, --wait-s and --forever")
    if arguments.wait_s is not None and arguments.wait_s > LONGEST_WAIT_S:
        command.error("--wait-s must be from 0 to 60; use --forever to wait without end")
