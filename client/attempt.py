"""One attempt at a job: the work is run, and how it ended is said in one of three ways."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .command import Command, CommandFailed, CommandStopped
from .errors import BadTemplate
from .job import UNSET, Done, Job, as_json
from .stopping import Abort, Stopping
from .template import Template
from .where import place

ERROR_CHARACTERS = 2000

Work = Callable[[Job], Any] | str | Sequence[str]


@dataclass(frozen=True)
class Failed:
    """The work did not succeed; `error` is kept with the job."""

    error: str


@dataclass(frozen=True)
class GivenBack:
    """The work was not finished, and not for a fault of its own."""


Ending = Done | Failed | GivenBack


class Attempt:
    """Runs `work`, a function or a command line, for one job after another. filename: a template, or None."""

    def __init__(self, work: Work, filename: str | None, stopping: Stopping) -> None:
        self._function = work if callable(work) else None
        self._command = None if callable(work) else Command(work)
        self._filename = None if filename is None else Template(filename)
        self._stopping = stopping

    def __call__(self, job: Job) -> Ending:
        """Never raises what the work raised."""
        try:
            filename = None if self._filename is None else self._filename.fill(job)
            if self._command is not None:
                self._command.run(job, lambda: job.stopped.is_set() or self._stopping.now)
                return Done(filename=filename)
            return _checked(self._call(job), filename)
        except (CommandStopped, Abort):
            return GivenBack()
        except (CommandFailed, BadTemplate) as problem:
            return Failed(bounded(str(problem)))
        except (Exception, SystemExit) as problem:  # a sys.exit() of the work isn't the end of the worker
            return Failed(_in_words(problem))

    def _call(self, job: Job) -> Any:
        assert self._function is not None
        try:
            self._stopping.may_interrupt(True)
            return self._function(job)
        finally:
            self._stopping.may_interrupt(False)


class NotJsonError(Exception):
    """The function returned something that JSON has no words for."""


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
                f"the {name} isn't JSON ({problem}): return numbers, text, lists and dicts of them, "
                "or save it and return Done(filename=...)"
            ) from None
    if done.filename is None and filename is None:
        return done
    return replace(done, filename=filename if done.filename is None else os.fspath(done.filename))


def bounded(text: str) -> str:
    """Text that any database takes, its middle left out if it is long."""
    text = text.replace("\x00", "").encode(errors="replace").decode()
    if len(text) <= ERROR_CHARACTERS:
        return text
    half = ERROR_CHARACTERS // 2 - 1
    return f"{text[:half]}…\n{text[-half:]}"


def _in_words(problem: BaseException) -> str:
    """`TypeName: message (fit.py, line 12)`, and what an exception of many lines says in the others."""
    title = "".join(traceback.format_exception_only(type(problem), problem)).strip()
    first, newline, rest = title.partition("\n")
    where = place(problem)
    return bounded(f"{first} ({where}){newline}{rest}" if where else title)
