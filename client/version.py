"""The version of job_manager that this client belongs to."""

from __future__ import annotations

import importlib.metadata
import runpy
from pathlib import Path

DISTRIBUTION = "job_manager"
SERVER_FILE = Path(__file__).resolve().parent.parent / "jobserver" / "core" / "version.py"


def version() -> str:
    """The version; "unknown" where this folder was copied without an installation."""
    if SERVER_FILE.is_file():
        return str(runpy.run_path(str(SERVER_FILE))["__version__"])
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
