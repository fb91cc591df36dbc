"""The server's command line: `jobserver`, or python -m jobserver."""

import argparse
import difflib
import gc
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from jobserver.core.errors import JobServerError
from jobserver.core.settings import Settings
from jobserver.core.version import __version__
from jobserver.server.settings import PREFIX, load

if TYPE_CHECKING:  # Flask must not be imported before the server patches the standard library
    from jobserver.server.processes import CreateApp

SHELLS = ("bash", "zsh", "fish")
PROBLEM, CANNOT = 1, 2  # exit codes: a check found a problem; the command failed

PROGRAM = "jobserver" if Path(sys.argv[0]).stem == "jobserver" else "python -m jobserver"


def main(arguments: Sequence[str], create_app: "CreateApp") -> int:
    """Runs one command; returns its exit code: 0 success, 1 a check found a problem, 2 the command failed."""
    warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated.*")
    warnings.filterwarnings("ignore", message="(?s).*pkg_resources.*")
    gc.disable()  # garbage collection takes a fifth of the start-up time; serve() enables it again
    try:
        return _flushed(_run(arguments, create_app))
    except BrokenPipeError:  # the reader closed the pipe; suppresses a second error at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        gc.enable()


def _flushed(code: int) -> int:
    sys.stdout.flush()
    return code


def _run(arguments: Sequence[str], create_app: "CreateApp") -> int:
    try:
        options = _parser(PROGRAM).parse_args(arguments)
    except SystemExit as ended:  # --help, or a wrong command line
        return int(ended.code or 0)
    if options.command == "completion":
        print(_completion(options.shell))
        return 0
    try:
        settings = load()
        if options.command in ("serve", "push"):
            from jobserver.server import processes

            return (processes.serve if options.command == "serve" else processes.push)(settings, create_app)
        from jobserver.server import commands

        return commands.run(options, settings, create_app)
    except JobServerError as error:
        print(f"jobserver: {' '.join(str(error).split())}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the nearest command, and the variable of a setting that was given as an option."""

    def format_help(self) -> str:
        """Returns the help; that of `serve` lists the settings, because a wheel does not contain docs/settings.md."""
        return super().format_help() + (_settings_help() if self.prog.endswith(" serve") else "")

    def error(self, message: str) -> NoReturn:
        """Prints the usage and the message, and exits with code 2. Without a command it prints the help instead."""
        if "arguments are required: COMMAND" in message or "arguments are required: ACTION" in message:
            self.print_help(sys.stderr)
            sys.exit(CANNOT)
        if unknown := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            choices = re.findall(r"[\w-]+", unknown[2])
            close = difflib.get_close_matches(unknown[1], choices, n=1, cutoff=0.5)
            message += f". Did you mean {close[0]}?" if close and choices != list(SHELLS) else ""
        elif option := re.search(r"unrecognized arguments: --([\w-]+)", message):
            name = option[1].replace("-", "_").lower()
            if name in Settings.__struct_fields__:
                message += f". Set the variable {PREFIX}{name.upper()} instead"
        self.print_usage(sys.stderr)
        self.exit(CANNOT, f"jobserver: {message}\n")


def _settings_help() -> str:
    import textwrap
    import typing

    hints = typing.get_type_hints(Settings, include_extras=True)
    lines = ["", "settings:"]
    for name, hint in hints.items():
        meaning = next(meta.description for meta in hint.__metadata__ if meta.description)
        lines.append(f"  {PREFIX}{name.upper()}")
        lines += textwrap.wrap(meaning, 76, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines) + "\n"


def _whole_number(text: str) -> int:
    """Parses the value of an argument."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"it must be a whole number, not {text!r}") from None


def _completion(shell: str) -> str:
    import shtab

    script: str = shtab.complete(_parser("jobserver"), shell=shell)
    return script


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program,
        description="Run and maintain a job_manager server. Settings come from JOBSERVER_* variables and the file"
        " named by JOBSERVER_CONFIG.",
        epilog="Exit codes: 0 success, 1 a check found a problem, 2 the command failed.",
    )
    parser.add_argument("--version", action="version", version=f"job_manager {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "serve",
        help="serve until Ctrl-C",
        description="Serve until Ctrl-C (SIGINT) or SIGTERM. Settings are variables, for example"
        " JOBSERVER_PORT=8000 jobserver serve.",
    )

    commands.add_parser(
        "push",
        help="push changes to the open pages of a server behind Apache",
        description="Serve Socket.IO, and nothing else, on PUSH_PORT until Ctrl-C (SIGINT) or SIGTERM.",
    )

    database = commands.add_parser("db", help="create, upgrade or check the database").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    create = database.add_parser("create", help="create an empty database if none exists")
    upgrade = database.add_parser("upgrade", help="upgrade the tables to this version (back the database up first)")
    check = database.add_parser(
        "check", help="compare the counters with a recount, find orphaned rows, check the indexes"
    )

    backup = commands.add_parser("backup", help="copy the database to a new file, also while a server runs")
    restore = commands.add_parser("restore", help="replace the database by a backup, while no server runs")
    for command in (backup, restore):
        command.add_argument("file", metavar="FILE", help="the backup")
    lists = commands.add_parser("lists", help="show every list and its progress")
    lists.add_argument("--archived", action="store_true", help="also archived lists")
    status = commands.add_parser("status", help="show the stages of one list, and its flagged jobs")
    status.add_argument("list", metavar="LIST", help="the list's public name")
    sweep = commands.add_parser(
        "sweep", help="flag, fail or requeue overdue jobs now (a running server does this itself)"
    )
    cancel = commands.add_parser("cancel", help="request that the worker of a job stops; the job is then cancelled")
    cancel.add_argument("list", metavar="LIST", help="the list's public name")
    cancel.add_argument("jobid", metavar="JOBID", type=_whole_number, help="the job's id")
    completion = commands.add_parser(
        "completion",
        help="print the completion script of a shell",
        description='Print the completion script of a shell. For bash: eval "$(jobserver completion bash)"',
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    for command in (create, upgrade, check, backup, restore, lists, status, sweep, cancel):
        command.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser
