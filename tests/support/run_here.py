"""Runs a server command in this process, which is ten times faster than a new process."""

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess

import pytest

from jobserver import create_app
from jobserver.server.cli import main
from tests.support.server import Server


def run_here(server: Server, *arguments: str) -> "CompletedProcess[str]":
    """Like Server.run()."""
    out, error = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
        for name in os.environ:
            if name.startswith("JOBSERVER_") or name in ("COLUMNS", "FORCE_COLOR"):
                patch.delenv(name)
        for name, value in server.environment.items():
            if name.startswith("JOBSERVER_"):
                patch.setenv(name, value)
        try:
            code = main(arguments, create_app)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return CompletedProcess(arguments, code, out.getvalue(), error.getvalue())
