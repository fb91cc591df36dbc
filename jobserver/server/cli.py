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
from jobserver.core.version import __version__
from jobserver.server.settings import load

if TYPE_CHECKING:  # Flask must not be imported before the server patches the standard library
    from jobserver.server.processes import CreateApp

SHELLS = ("bash", "zsh", "fish")
PROBLEM, CANNOT = 1, 2  # exit codes: something is wrong with the data; the command can't be done

PROGRAM = "jobserver" if Path(sys.argv[0]).stem == "jobserver" else "python -m jobserver"


def main(arguments: Sequence[str], create_app: "CreateApp") -> int:
    """Runs one command; its exit code: 0 fine, 1 a check found something, 2 the command can't be done."""
    warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated.*")
    warnings.filterwarnings("ignore", message="(?s).*pkg_resources.*")
    gc.disable()  # looking for garbage in what is imported takes a fifth of the start; serve() takes it up again
    try:
        return _flushed(_run(arguments, create_app))
    except BrokenPipeError:  # whoever read has seen enough; Python would complain at its end once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        gc.enable()


def _flushed(code: int) -> int:
    sys.stdout.flush()
    return code


def _run(arguments: Sequence[str], create_app: "CreateApp") -> int:
    try:
        chosen = _parser(PROGRAM).parse_args(arguments)
    except SystemExit as ended:  # --help, or a wrong command line
        return int(ended.code or 0)
    if chosen.command == "completion":
        print(_completion(chosen.shell))
        return 0
    try:
        settings = load()
        if chosen.command in ("serve", "push"):
            from jobserver.server import processes

            return (processes.serve if chosen.command == "serve" else processes.push)(settings, create_app)
        from jobserver.server import commands

        return commands.run(chosen, settings, create_app)
    except JobServerError as error:
        print(f"job_manager: {' '.join(str(error).split())}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the command that was meant."""

    def error(self, message: str) -> NoReturn:
        """Prints the usage and the message, and ends with exit code 2."""
        if unknown := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            close = difflib.get_close_matches(unknown[1], re.findall(r"[\w-]+", unknown[2]), n=1, cutoff=0.5)
            message += f". Did you mean {close[0]}?" if close else ""
        super().error(message)


def _completion(shell: str) -> str:
    import shtab

    script: str = shtab.complete(_parser("jobserver"), shell=shell)
    return script


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program,
        description="Run and look after a job_manager server. Settings come from JOBSERVER_* variables and the file"
        " named by JOBSERVER_CONFIG.",
        epilog="Exit codes: 0 fine, 1 a check found something wrong, 2 the command could not be done.",
    )
    parser.add_argument("--version", action="version", version=f"job_manager {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "serve",
        help="serve until Ctrl-C",
        description="Serve until Ctrl-C (SIGINT) or SIGTERM. All settings are JOBSERVER_* variables: docs/settings.md.",
    )

    commands.add_parser(
        "push",
        help="push changes to the open pages of a server behind Apache",
        description="Serve Socket.IO, and nothing else, on PUSH_PORT until Ctrl-C (SIGINT) or SIGTERM.",
    )

    database = commands.add_parser("db", help="create, upgrade or check the database").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    create = database.add_parser("create", help="create an empty database where there is none")
    upgrade = database.add_parser("upgrade", help="bring the tables up to this version (back the database up first)")
    check = database.add_parser("check", help="compare the counters with a recount, look for orphans, test the indexes")

    backup = commands.add_parser("backup", help="copy the database to a new file, also beside a running server")
    restore = commands.add_parser("restore", help="replace the database by a backup, while no server runs")
    for command in (backup, restore):
        command.add_argument("file", metavar="FILE", help="the backup")
    lists = commands.add_parser("lists", help="every list, and how far it is")
    status = commands.add_parser("status", help="one list, stage by stage, and its flagged jobs")
    status.add_argument("list", metavar="LIST", help="the list's public name")
    sweep = commands.add_parser(
        "sweep", help="flag, fail or requeue now what is overdue (a running server does by itself)"
    )
    cancel = commands.add_parser(
        "cancel", help="ask the worker that holds a job to stop; the job then counts as failed"
    )
    cancel.add_argument("list", metavar="LIST", help="the list's public name")
    cancel.add_argument("jobid", metavar="JOBID", type=int, help="the job's id")
    completion = commands.add_parser(
        "completion",
        help="print the completion script of a shell",
        description='Print the completion script of a shell. For bash: eval "$(jobserver completion bash)"',
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    for command in (create, upgrade, check, backup, restore, lists, status, sweep, cancel):
        command.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser
