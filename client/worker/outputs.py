"""Declared output files: each attempt writes private ones, and only the files of an accepted report are published.

The private directory is beside the final file, so that it is on the same file system: publishing is a rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import stat
from collections.abc import Iterable, Sequence

from ..api.types import Job, Output, PrivateFile
from ..errors import BadTemplate
from .template import Template

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
CLAIM_CHARACTERS = 8
MAX_PATH = 4096  # characters, the server's
SET_ASIDE = ".jm-set-aside"


class OutputMissing(Exception):
    """A declared output was not written; the message is stored with the job."""


class InvalidInput(Exception):
    """A file of the stage before is not the one that was reported; the message is stored with the job."""


class Outputs:
    """The output files that a worker declares: templates of their final paths."""

    def __init__(self, templates: Sequence[str]) -> None:
        if isinstance(templates, str):
            raise BadTemplate(f"outputs is a list of paths: outputs=[{templates!r}]")
        self._templates = [Template(text) for text in templates]

    def __len__(self) -> int:
        return len(self._templates)

    def prepare(self, job: Job) -> None:
        """Makes the private directories of this attempt, and sets the job's private files."""
        # The end of the token: its start is the time, which several attempts may share.
        name = f".jm-{job.jobid}-{job.attempt}-{job.claim[-CLAIM_CHARACTERS:]}"
        files = []
        for template in self._templates:
            path = os.path.abspath(_checked(template.fill(job), job))
            directory = os.path.join(os.path.dirname(path), name)
            files.append(PrivateFile(path, os.path.join(directory, os.path.basename(path))))
        if len({file.path for file in files}) < len(files):
            raise BadTemplate(f"job {job.jobid} has two declared outputs with the same path: {files[0].path}")
        job.declare(files)
        try:
            for directory in _directories(file.staged for file in files):
                os.makedirs(directory, exist_ok=True)
        except OSError as problem:
            raise OutputMissing(f"the directory of an output cannot be made: {problem}") from problem


def _checked(path: str, job: Job) -> str:
    """The path of an output. Raises BadTemplate if it names no file, or cannot be sent."""
    try:
        path.encode()
    except UnicodeEncodeError as problem:
        raise BadTemplate(f"job {job.jobid}: the path of an output is not UTF-8: {path!r}") from problem
    if "\0" in path or os.path.basename(path) in ("", ".", "..") or len(os.path.abspath(path)) > MAX_PATH - 100:
        raise BadTemplate(f"job {job.jobid}: {path[:100]!r} cannot be the path of an output: name a file")
    return path


def _directories(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(map(os.path.dirname, paths)))


def measure(job: Job) -> tuple[Output, ...]:
    """The size and sha256 of each file that the attempt wrote, flushed to the disk. Raises OutputMissing."""
    outputs = tuple(_measured(file) for file in job.private_files)
    for directory in _directories(file.staged for file in job.private_files):
        _flush_directory(directory)
    return outputs


def _measured(file: PrivateFile) -> Output:
    shown = f"the declared output {file.path}"
    try:
        if not stat.S_ISREG(os.lstat(file.staged).st_mode):
            raise OutputMissing(f"{shown} is not a regular file: the work must write one at {file.staged}")
        with open(file.staged, "rb") as content:
            size, sha256 = _digest(content.fileno())
            os.fsync(content.fileno())
    except FileNotFoundError as problem:
        raise OutputMissing(
            f"{shown} was not written: the work must write it at {file.staged} ({{output}}, job.output, or JM_OUTPUT)"
        ) from problem
    except OSError as problem:
        raise OutputMissing(f"{shown} cannot be read: {problem}") from problem
    if not size:
        raise OutputMissing(f"{shown} is empty")
    return Output(file.path, size, sha256, file.staged)


def _digest(descriptor: int) -> tuple[int, str]:
    """The size and sha256 of an open file."""
    size, digest = 0, hashlib.sha256()
    while chunk := os.read(descriptor, CHUNK_BYTES):
        size += len(chunk)
        digest.update(chunk)
    return size, digest.hexdigest()


def _flush_directory(path: str) -> None:
    with contextlib.suppress(OSError):  # some network file systems refuse it
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def publish(outputs: Sequence[Output]) -> None:
    """Moves the files of an accepted report to their final paths, unless another worker has done so.

    A final file that was put there after this attempt had ended belongs to a later attempt, and is not replaced.
    """
    kept = False
    for output in outputs:
        if output.staged is None:
            continue
        try:
            if _is_later(output.path, output.staged):
                log.warning("%s is newer than the accepted result %s, and is kept", output.path, output.staged)
                kept = True
                continue
            os.replace(output.staged, output.path)
        except FileNotFoundError:
            continue  # the worker of the next stage has published it
        except OSError as problem:
            log.error("%s could not be published: move %s there (%s)", output.path, output.staged, problem)
            kept = True
    if not kept:
        _remove_directories(outputs)
    for directory in _directories(output.path for output in outputs):
        _flush_directory(directory)


def _is_later(path: str, staged: str) -> bool:
    ended_ns = os.lstat(staged).st_ctime_ns
    try:
        return os.lstat(path).st_ctime_ns > ended_ns  # a rename sets it
    except FileNotFoundError:
        return False


def set_aside(outputs: Sequence[Output]) -> list[str]:
    """Keeps the files of a refused report in `.jm-set-aside`, beside their private directory. Returns the new paths."""
    moved = []
    for directory in _directories(output.staged for output in outputs if output.staged is not None):
        folder, name = os.path.split(directory)
        target = os.path.join(folder, SET_ASIDE, name)
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(directory, target)
        except FileNotFoundError:
            continue
        except OSError as problem:
            log.error("%s could not be moved to %s: %s", directory, target, problem)
            moved.append(directory)
        else:
            moved.append(target)
    return moved


def remove(job: Job) -> None:
    """Removes the private directories of an attempt that failed."""
    for directory in _directories(file.staged for file in job.private_files):
        shutil.rmtree(directory, ignore_errors=True)


def _remove_directories(outputs: Sequence[Output]) -> None:
    for directory in _directories(output.staged for output in outputs if output.staged is not None):
        shutil.rmtree(directory, ignore_errors=True)


def verify(job: Job) -> None:
    """Checks that each file of the stage before has the reported content. Raises InvalidInput.

    A file that its worker could not publish, because it was killed, is published here.
    """
    late = []
    for output in job.outputs:
        found = _content(output.path)
        if found == (output.bytes, output.sha256):
            continue
        if output.staged is not None and _content(output.staged) == (output.bytes, output.sha256):
            late.append(output)
            with contextlib.suppress(FileNotFoundError):  # its worker has just done it
                os.replace(output.staged, output.path)
            continue
        # Its worker may have published it between the two checks.
        found = _content(output.path)
        if found != (output.bytes, output.sha256):
            raise InvalidInput(_difference(output, found))
    if late:
        log.warning(
            "job %d: published %s, accepted before its worker ended", job.jobid, ", ".join(o.path for o in late)
        )
        _remove_directories(late)


def _content(path: str) -> tuple[int, str] | None:
    """The size and sha256 of a file; None if there is none."""
    try:
        with open(path, "rb") as file:
            return _digest(file.fileno())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        raise InvalidInput(f"the input {path} cannot be read: {problem}") from problem


def _difference(output: Output, found: tuple[int, str] | None) -> str:
    expected = f"{output.bytes} bytes with sha256 {output.sha256}"
    if found is not None:
        return f"the input {output.path} is invalid: {found[0]} bytes with sha256 {found[1]} instead of {expected}"
    if not os.path.isdir(os.path.dirname(output.path)):
        return (
            f"the input {output.path} is not on this machine, which has no folder {os.path.dirname(output.path)}: "
            "share the file system, or use --no-verify if the work brings the file itself"
        )
    return f"the input {output.path} does not exist; expected {expected}"
