"""One attempt at a job: runs the work, and returns how it ended."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..api.types import UNSET, Condition, Done, Job, Output, as_json
from ..errors import BadTemplate
from .command import Command, CommandFailed, CommandStopped
from .outputs import InvalidInput, OutputMissing, Outputs, measure, remove, verify
from .stopping import Abort, Stopping
from .template import Template

ERROR_CHARACTERS = 2000

_THIS_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_STANDARD_LIBRARY = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))
_INSTALLED = {"site-packages", "dist-packages"}

Work = Callable[[Job], Any] | str | Sequence[str]


@dataclass(frozen=True)
class Failed:
    """The work did not succeed; `error` is stored with the job. condition: None for an error of the work itself.

    retry: False if another attempt would fail too.
    """

    error: str
    condition: Condition | None = None
    retry: bool = True


@dataclass(frozen=True)
class Finished(Done):
    """The work succeeded, and wrote its declared outputs. filename: a path as text."""

    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True)
class GivenBack:
    """The work was interrupted from outside: it has not failed. condition: of its report, None if it did not start."""

    condition: Condition | None = None


Ending = Done | Failed | GivenBack


class Attempt:
    """Runs `work`, a function or a command line, for one job after another. filename: a template, or None.

    outputs: templates of the files that each attempt must write. verify: check the files of the stage before first.
    """

    def __init__(
        self,
        work: Work,
        filename: str | None,
        stopping: Stopping,
        *,
        outputs: Sequence[str] = (),
        verify: bool = True,
    ) -> None:
        if not callable(work) and not isinstance(work, str | Sequence):
            raise BadTemplate(f"work must be a function or a command line, not {work!r}")
        self._function = work if callable(work) else None
        self._outputs = Outputs(outputs)
        self._verify = verify
        self._command = None if callable(work) else Command(work, len(self._outputs))
        self._filename = None if filename is None else Template(filename)
        self._stopping = stopping

    def __call__(self, job: Job) -> Ending:
        """Never raises what the work raised."""
        ending: Ending = GivenBack()
        try:
            ending = self._run(job)
        except (CommandStopped, Abort):
            ending = GivenBack()
        except InvalidInput as problem:
            ending = Failed(bounded(str(problem)), condition="invalid")
        except (CommandFailed, BadTemplate, NotJsonError, OutputMissing) as problem:
            ending = Failed(bounded(str(problem)))
        except (Exception, SystemExit) as problem:  # sys.exit() in the work does not end the worker
            ending = Failed(_describe(problem))
        finally:
            if not isinstance(ending, Done):
                remove(job)
        return ending

    def _run(self, job: Job) -> Ending:
        if self._verify and job.outputs:
            verify(job)
        if self._outputs:
            self._outputs.prepare(job)
        filename = None if self._filename is None else self._filename.fill(job)
        if self._command is not None:
            self._command.run(job, lambda: job.stopped.is_set() or self._stopping.now)
            done = Done(filename=filename)
        else:
            done = _checked(self._call(job), filename)
        if not job.private_files:
            return done
        outputs = measure(job)
        return Finished(done.result, done.filename or outputs[0].path, done.jobcmd, outputs)

    def _call(self, job: Job) -> Any:
        assert self._function is not None
        try:
            self._stopping.set_interruptible(True)
            return self._function(job)
        finally:
            self._stopping.set_interruptible(False)


class NotJsonError(Exception):
    """The function returned something that JSON cannot express."""


def _checked(returned: Any, filename: str | None) -> Done:
    """What the function returned, as a Done that can be sent."""
    done = returned if isinstance(returned, Done) else Done(result=UNSET if returned is None else returned)
    for name, value in (("result", done.result), ("jobcmd", done.jobcmd)):
        if value is UNSET:
            continue
        try:
            as_json(value)
        except (TypeError, ValueError, RecursionError) as problem:
            raise NotJsonError(
                f"the {name} is not JSON ({problem}): return numbers, text, lists and dicts of them, "
                "or save it and return Done(filename=...)"
            ) from None
    if done.filename is None and filename is None:
        return done
    return replace(done, filename=filename if done.filename is None else os.fspath(done.filename))


def bounded(text: str) -> str:
    """Text that any database accepts, without its middle if it is long."""
    text = text.replace("\x00", "").encode(errors="replace").decode()
    if len(text) <= ERROR_CHARACTERS:
        return text
    half = ERROR_CHARACTERS // 2 - 1
    return f"{text[:half]}…\n{text[-half:]}"


def _describe(problem: BaseException) -> str:
    """`TypeName: message (fit.py, line 12)`, then the other lines of a message that has several."""
    title = "".join(traceback.format_exception_only(type(problem), problem)).strip()
    first, newline, rest = title.partition("\n")
    origin = find_origin(problem)
    return bounded(f"{first} ({origin}){newline}{rest}" if origin else title)


def find_origin(problem: BaseException) -> str:
    """`fit.py, line 12`: the innermost line that is neither in a library nor in this package; "" if there is none."""
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        if not _is_library(frame.filename):
            return f"{os.path.basename(frame.filename)}, line {frame.lineno}"
    return ""


def _is_library(path: str) -> bool:
    if path.startswith("<frozen") or _INSTALLED & set(path.split(os.sep)):
        return True
    return path.startswith((_THIS_PACKAGE, *_STANDARD_LIBRARY))
