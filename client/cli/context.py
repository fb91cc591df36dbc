"""Which server and which secret key a command uses: options, then the environment, then what `jm login` saved."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import stat
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ..api.job_client import JobClient
from ..api.responses import Progress
from ..errors import BadContext, BadJobix
from ..http.transport import LARGEST_ID
from .output import NO_LIST

DEFAULT_URL = "http://127.0.0.1:5000"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
LONG_COMMANDS = ("set", "watch", "work")
DEFAULT_RETRY_S = 300.0
BRIEF_RETRY_S = 10.0
MAX_FILE_BYTES = 10_000


@dataclass(frozen=True)
class Saved:
    """What `jm login` saved."""

    url: str
    jobix: int
    ca_file: str | None = None


@dataclass(frozen=True)
class Context:
    """The server and the secret key of a command, and where each came from. jobix: None if there is none."""

    url: str
    url_source: str
    jobix: int | None
    jobix_source: str
    ca_file: str | None
    ca_source: str


def find_context(arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Context:
    """Options win over the environment, and the environment over the saved context.

    A saved key is sent only to the server that it was saved for.
    """
    saved = None if _is_complete(arguments, environment) else load(environment)
    url, url_source = _first(
        (arguments.url, "--url"),
        (environment.get("JOBSERVER_URL"), "JOBSERVER_URL"),
        (saved.url if saved else None, "jm login"),
        (DEFAULT_URL, "default"),
    )
    ours = saved if saved and saved.url.rstrip("/") == url.rstrip("/") else None
    jobix, jobix_source = _find_jobix(arguments, environment, ours)
    if jobix is None and saved and not ours:
        jobix_source = f"the key saved by jm login is for {saved.url}"
    ca_file, ca_source = (arguments.ca_file, "--ca-file") if arguments.ca_file else (None, "")
    if ca_file is None and ours and ours.ca_file:
        ca_file, ca_source = ours.ca_file, "jm login"
    return Context(url, url_source, jobix, jobix_source, ca_file, ca_source)


def connect(arguments: argparse.Namespace) -> JobClient:
    """The client for this command. Raises BadJobix if no key is given."""
    context = find_context(arguments)
    if context.jobix is None:
        reason = f" ({context.jobix_source})" if context.jobix_source else ""
        raise BadJobix(
            f"no secret key (jobix) was given{reason}: use --jobix-file FILE (`jm init` creates it), "
            "JOBSERVER_JOBIX_FILE or JOBSERVER_JOBIX in the environment, or `jm login`"
        )
    return JobClient(context.url, context.jobix, ca_file=context.ca_file, retry_for_s=retry_for_s(arguments))


def retry_for_s(arguments: argparse.Namespace) -> float:
    """How long to retry: a person in front of a terminal does not wait long for a short command."""
    if arguments.retry_for_s is not None:
        return float(arguments.retry_for_s)
    brief = arguments.command not in LONG_COMMANDS and sys.stderr.isatty()
    return BRIEF_RETRY_S if brief else DEFAULT_RETRY_S


def require_list(client: JobClient) -> Progress:
    """The progress of the list. Raises BadJobix if there is no such list, which an open server does not report."""
    progress = client.progress()
    if not progress.name:
        raise BadJobix(NO_LIST)
    return progress


def _is_complete(arguments: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    """Whether nothing is left for the saved context, which is then not read."""
    has_url = arguments.url is not None or "JOBSERVER_URL" in environment
    has_key = arguments.jobix is not None or arguments.jobix_file is not None
    return has_url and (has_key or "JOBSERVER_JOBIX" in environment or "JOBSERVER_JOBIX_FILE" in environment)


def _first(*candidates: tuple[str | None, str]) -> tuple[str, str]:
    return next((value, source) for value, source in candidates if value)


def _find_jobix(
    arguments: argparse.Namespace, environment: Mapping[str, str], saved: Saved | None
) -> tuple[int | None, str]:
    if arguments.jobix is not None:
        return _parse(arguments.jobix, "--jobix must be"), "--jobix"
    if arguments.jobix_file is not None:
        return read_jobix(arguments.jobix_file), f"--jobix-file {arguments.jobix_file}"
    if "JOBSERVER_JOBIX" in environment:
        return _parse(environment["JOBSERVER_JOBIX"], "JOBSERVER_JOBIX must be"), "JOBSERVER_JOBIX"
    if "JOBSERVER_JOBIX_FILE" in environment:
        path = environment["JOBSERVER_JOBIX_FILE"]
        return read_jobix(path), f"JOBSERVER_JOBIX_FILE {path}"
    return (saved.jobix, "jm login") if saved else (None, "")


def read_jobix(path: str) -> int:
    """The secret key in the file. Raises BadJobix, also if other users can read the file."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            _check_private(file.fileno(), path)
            return _parse(file.read(100), f"the file {path} must contain only")
    except FileNotFoundError as problem:
        raise BadJobix(
            f"there is no file {path}: `jm init --jobix-file {path}` creates it, with a new list"
        ) from problem
    except OSError as problem:
        raise BadJobix(f"the secret key cannot be read from {path} ({problem.strerror})") from problem


def create_jobix(path: str) -> int:
    """Writes a new random key of 63 bits to a new file that only its owner can read. Never replaces a file."""
    jobix = secrets.randbits(63)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{jobix}\n")
    except OSError as problem:
        raise BadJobix(
            f"the secret key cannot be written to {path} ({problem.strerror}): name another file"
        ) from problem
    return jobix


def _check_private(descriptor: int, path: str) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if os.name == "posix" and mode & OTHERS:
        raise BadJobix(f"other users may read or change the secret key in {path} (mode {mode:o}): run chmod 600 {path}")


def _parse(text: str, required: str) -> int:
    """required: the start of the error message, such as "--jobix must be"."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise BadJobix(f"{required} a whole number from 0 to 2^63-1")
    return int(text)


def parse_jobix(text: str) -> int:
    """The key that a person typed."""
    return _parse(text, "the secret key must be")


def context_path(environment: Mapping[str, str] = os.environ) -> str:
    """The file of the saved context."""
    folder = environment.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(folder, "job_manager", "context.json")


def load(environment: Mapping[str, str] = os.environ) -> Saved | None:
    """The saved context; None if there is none. Raises BadContext, or BadJobix if other users can read it."""
    path = context_path(environment)
    try:
        with open(path, encoding="utf-8") as file:
            _check_private(file.fileno(), path)
            fields = json.loads(file.read(MAX_FILE_BYTES))
        return _checked(Saved(**fields))
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise BadContext(
            f"the saved context {path} cannot be read ({problem.strerror}): check its permissions"
        ) from problem
    except (ValueError, TypeError, RecursionError) as problem:
        raise BadContext(f"the saved context {path} is damaged: run `jm logout`, then `jm login`") from problem


def _checked(saved: Saved) -> Saved:
    is_valid_key = type(saved.jobix) is int and 0 <= saved.jobix <= LARGEST_ID
    if not (is_valid_key and isinstance(saved.url, str) and isinstance(saved.ca_file, str | None)):
        raise ValueError("saved")
    return saved


def save(saved: Saved) -> str:
    """Writes the context to a file that only its owner can read. Returns its path."""
    path = context_path()
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(saved), file)
        os.replace(temporary, path)
    except OSError as problem:
        raise BadContext(f"the context cannot be saved to {path} ({problem.strerror})") from problem
    return path


def delete() -> bool:
    """Deletes the saved context. False if there is none."""
    path = context_path()
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as problem:
        raise BadContext(f"{path} cannot be deleted ({problem.strerror})") from problem
    return True
