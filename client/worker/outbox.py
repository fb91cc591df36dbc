"""The outbox: reports on the disk until the server has accepted or refused them.

A folder for each list on each server has a file for each running worker, locked while its worker lives. A line of a
file is the body of one `/update_jobs`. An unlocked file belongs to a worker that has ended: another one delivers it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes

try:
    import fcntl
except ModuleNotFoundError:  # Windows has no locks of this kind: a worker there has no outbox
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

SUFFIX = ".jsonl"
SET_ASIDE = "set-aside"
RESULT_KEYS = ("result", "filename", "jobcmd", "outputs")


def folder(list_key: str, environment: Mapping[str, str] = os.environ) -> str:
    """The folder of the list with that key: JM_OUTBOX, or the user's folder for the state of programs."""
    state = environment.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(environment.get("JM_OUTBOX") or os.path.join(state, "job_manager", "outbox"), list_key)


class Outbox:
    """The file of one worker, made with its first report. A disk that cannot be written to does not stop the work."""

    def __init__(self, list_key: str) -> None:
        self.path = ""
        self._folder = folder(list_key)
        self._descriptor: int | None = None
        self._usable = fcntl is not None
        self._lock = threading.Lock()
        self._kept = 0

    @property
    def has_reports(self) -> bool:
        """Whether reports are kept now."""
        return self._usable and self._kept > 0

    def keep(self, body: bytes) -> None:
        """Writes the body of a request."""
        with self._lock:
            self._kept += 1
            if not self._usable:
                return
            try:
                if self._descriptor is None:
                    self.path, self._descriptor = _create(self._folder)
                _write(self._descriptor, body + b"\n")
            except OSError as problem:
                log.warning("no report is kept in %s: %s. Name another folder in JM_OUTBOX", self._folder, problem)
                self._usable = False

    def settled(self) -> None:
        """The outcomes of one request were handled. The file is emptied when no other is kept."""
        with self._lock:
            self._kept -= 1
            if not self._kept and self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)

    def set_aside(self, entry: shapes.ReportEntry, status: int, message: str) -> None:
        """Keeps a refused result as a file. A report without a result is not kept."""
        if self._usable and has_result(entry):
            try:
                path = set_aside(self._folder, entry, status, message)
                log.warning("job %d: its refused result was moved to %s", entry["jobid"], path)
            except OSError as problem:
                log.error("job %d: its refused result could not be kept: %s", entry["jobid"], problem)

    def close(self) -> None:
        """Releases the file; deletes it if all was delivered."""
        if self._descriptor is None:
            return
        if not self._kept:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        os.close(self._descriptor)
        self._descriptor, self._kept = None, 0


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _create(directory: str) -> tuple[str, int]:
    """A new locked file, which only its owner can read."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    while True:
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        path = os.path.join(directory, name)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # another process looked for reports between the two calls, and has deleted it


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class LeftReports:
    """The reports of workers that have ended, for one list. A context manager, which holds their files meanwhile."""

    def __init__(self, list_key: str) -> None:
        self._folder = folder(list_key)
        self._files: dict[str, int] = {}
        self.of_running_workers = 0

    def __enter__(self) -> LeftReports:
        with contextlib.suppress(OSError):  # most machines have none
            if fcntl is not None:
                for entry in sorted(os.listdir(self._folder)):
                    if entry.endswith(SUFFIX):
                        self._take(os.path.join(self._folder, entry))
        return self

    def _take(self, path: str) -> None:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return  # deleted meanwhile
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            self._files[path] = descriptor
        else:
            self.of_running_workers += 1
            os.close(descriptor)

    def __exit__(self, *_: object) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def files(self) -> Iterator[tuple[str, list[list[shapes.ReportEntry]]]]:
        """Each file with its requests, in the order of their writing."""
        for path in list(self._files):
            requests = []
            with open(path, "rb") as file:
                for line in file:
                    try:
                        requests.append(_request(json.loads(line)))
                    except (ValueError, RecursionError):  # the worker was killed while it wrote, so it sent nothing
                        log.warning("%s: an incomplete report is ignored", path)
            yield path, requests

    def delivered(self, path: str) -> None:
        """Deletes a file whose reports were all accepted, refused or set aside."""
        os.unlink(path)
        os.close(self._files.pop(path))

    def set_aside(self, entry: shapes.ReportEntry, status: int, message: str) -> str:
        """As `set_aside` in this module."""
        return set_aside(self._folder, entry, status, message)


def _request(value: Any) -> list[shapes.ReportEntry]:
    """The reports of a line. Raises ValueError if they are not reports."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) and "jobid" in entry for entry in value):
        raise ValueError("reports")
    return value


def has_result(entry: shapes.ReportEntry) -> bool:
    """Whether a report has a result, rather than an error or nothing."""
    return any(key in entry for key in RESULT_KEYS)


def set_aside(directory: str, entry: shapes.ReportEntry, status: int, message: str) -> str:
    """Keeps a refused result as a readable JSON file. Returns its path."""
    target = os.path.join(directory, SET_ASIDE)
    os.makedirs(target, mode=0o700, exist_ok=True)
    path = os.path.join(target, f"job-{entry['jobid']}-{secrets.token_hex(4)}.json")
    content = {
        "message": message,
        "status": status,
        "set_aside_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "report": entry,
    }
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    return path


def list_set_aside(list_key: str) -> list[dict[str, Any]]:
    """The refused results of that list: the content of each file, with its path as `file`."""
    directory = os.path.join(folder(list_key), SET_ASIDE)
    found = []
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            with open(path, encoding="utf-8") as file, contextlib.suppress(ValueError):
                found.append({"file": path, **json.load(file)})
    return found
