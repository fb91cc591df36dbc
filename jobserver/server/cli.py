"""The server's command line: `jobserver`, or python -m jobserver."""

import argparse
import gc
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobserver.core.errors import JobServerError
from jobserver.core.version import __version__
from jobserver.server.settings import load

if TYPE_CHECKING:  # Flask must not be imported before the server patches the standard library
    from jobserver.server.processes import CreateApp

PROBLEM, CANNOT = 1, 2  # exit codes: something is wrong with the data; the command can't be done


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
        chosen = _parser().parse_args(arguments)
    except SystemExit as ended:  # --help, or a wrong command line
        return int(ended.code or 0)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jobserver" if Path(sys.argv[0]).stem == "jobserver" else "python -m jobserver",
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

    database = commands.add_parser("db", help="upgrade or check the database").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    upgrade = database.add_parser("upgrade", help="bring the tables up to this version (back the database up first)")
    check = database.add_parser("check", help="compare the counters with a recount, look for orphans, test the indexes")

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
    for command in (upgrade, check, lists, status, sweep, cancel):
        command.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser
