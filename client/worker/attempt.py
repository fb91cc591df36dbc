"""One attempt at a job: runs the work, and returns how it ended."""

from __future__ import annotations

import os
import sysconfig
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..api.types import UNSET, Condition, Done, Job, Output, as_json
from ..errors import BadTemplate, DoNotRetry
from .checking import Checker, CheckFailed
from .command import DATA_ERROR, Command, CommandFailed, CommandStopped
from .outputs import InvalidInput, OutputMissing, Outputs, measure, remove, verify
from .stopping import Abort, Stopping
from .template import Template
from .time_limit import NEVER, FunctionLimit, describe

ERROR_CHARACTERS = 2000
# Between the end of a command and that of its worker, if a batch system ends both: it may signal the command first.
SIGNAL_DELAY_S = 2.0
SHORT_SIGNAL_DELAY_S = 0.1  # if the command handled the signal, so that its exit code does not show it

_THIS_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_STANDARD_LIBRARY = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))
_INSTALLED = {"site-packages", "dist-packages"}

Work = Callable[[Job], Any] | str | Sequence[str]


@dataclass(frozen=True)
class Failed:
    """The work did not succeed; `error` is stored with the job. condition: None for an error of the work itself.

    retry: False if another attempt would fail too. passed: False if the result did not pass the check of the stage.
    """

    error: str
    condition: Condition | None = None
    retry: bool = True
    passed: bool | None = None


@dataclass(frozen=True)
class Finished(Done):
    """The work succeeded, wrote its declared outputs and passed the check of the stage. filename: a path as text.

    passed: True if there is a check. agrees_with: see Report.
    """

    outputs: tuple[Output, ...] = ()
    passed: bool | None = None
    agrees_with: int | None = None


@dataclass(frozen=True)
class GivenBack:
    """The work was interrupted from outside: it has not failed. condition: of its report, None if it did not start."""

    condition: Condition | None = None


Ending = Done | Failed | GivenBack
INTERRUPTED = GivenBack("interrupted")


class Attempt:
    """Runs `work`, a function or a command line, for one job after another. filename: a template, or None.

    outputs: templates of the files that each attempt must write. verify: check the files of the stage before first.
    no_retry_exit_code: of a command for which another attempt would fail too.
    """

    def __init__(
        self,
        work: Work,
        filename: str | None,
        stopping: Stopping,
        *,
        outputs: Sequence[str] = (),
        verify: bool = True,
        no_retry_exit_code: int = DATA_ERROR,
    ) -> None:
        if not callable(work) and not isinstance(work, str | Sequence):
            raise BadTemplate(f"work must be a function or a command line, not {work!r}")
        self._function = work if callable(work) else None
        self._outputs = Outputs(outputs)
        self._verify = verify
        self._command = None if callable(work) else Command(work, len(self._outputs))
        self._filename = None if filename is None else Template(filename)
        self._stopping = stopping
        self._no_retry_exit_code = no_retry_exit_code
        self._function_limit = FunctionLimit()
        self._checker = Checker()

    def close(self) -> None:
        """Ends the helpers of this attempt. Another call starts them again."""
        self._function_limit.close()
        self._checker.close()
        if self._command is not None:
            self._command.close()

    def __call__(self, job: Job, limit_at: float = NEVER) -> Ending:
        """Never raises what the work raised. limit_at: the end of the time limit, as of time.monotonic()."""
        ending: Ending = INTERRUPTED
        try:
            ending = self._run(job, limit_at)
        except (Abort, Exception, SystemExit) as problem:  # sys.exit() in the work does not end the worker
            ending = self._ending(problem, job)
        finally:
            if not isinstance(ending, Done):
                remove(job)
        return ending

    def _run(self, job: Job, limit_at: float) -> Done:
        if self._verify and job.outputs:
            verify(job)
        if self._outputs:
            self._outputs.prepare(job)
        filename = None if self._filename is None else self._filename.fill(job)

        def must_stop() -> bool:
            return self._must_end(job) or time.monotonic() >= limit_at

        if self._command is not None:
            self._command.run(job, must_stop)
            done = Done(filename=filename)
        else:
            done = _checked(self._call(job, limit_at), filename)
        if job.private_files:
            outputs = measure(job)
            done = Finished(done.result, done.filename or outputs[0].path, done.jobcmd, outputs)
        if job.check is None and job.compare is None:
            return done
        verdict = self._checker.judge(job, done, must_stop)
        outputs = done.outputs if isinstance(done, Finished) else ()
        return Finished(done.result, done.filename, done.jobcmd, outputs, verdict.passed, verdict.agrees_with)

    def _must_end(self, job: Job) -> bool:
        return job.stopped.is_set() or self._stopping.now

    def _ending(self, problem: BaseException, job: Job) -> Ending:
        """How an attempt ended that raised this."""
        if isinstance(problem, _LimitReached) or (isinstance(problem, CommandStopped) and not self._must_end(job)):
            return _timeout(job, str(problem))
        if isinstance(problem, Abort | CommandStopped) or self._is_interrupted(problem):
            return INTERRUPTED
        if isinstance(problem, InvalidInput):
            return Failed(bounded(str(problem)), condition="invalid")
        if isinstance(problem, CheckFailed):
            return Failed(bounded(str(problem)), condition="invalid", passed=False)
        if isinstance(problem, CommandFailed):
            return Failed(bounded(str(problem)), retry=problem.returncode != self._no_retry_exit_code)
        if isinstance(problem, BadTemplate | NotJsonError | OutputMissing):
            return Failed(bounded(str(problem)))
        return Failed(_describe(problem), retry=not isinstance(problem, DoNotRetry))

    def _is_interrupted(self, problem: BaseException) -> bool:
        """Whether the work failed because somebody ended it together with its worker."""
        if not isinstance(problem, CommandFailed):
            return self._stopping.now
        self._stopping.wait_for_signal(SIGNAL_DELAY_S if problem.from_outside else SHORT_SIGNAL_DELAY_S)
        return self._stopping.now or (problem.from_outside and self._stopping.signum is not None)

    def _call(self, job: Job, limit_at: float) -> Any:
        """Raises _LimitReached if the function ended after the limit; its exception is then the message."""
        assert self._function is not None
        if limit_at == NEVER:
            return self._call_interruptible(job)
        self._function_limit.start(job, limit_at)
        try:
            returned = self._call_interruptible(job)
        except Exception as problem:
            if time.monotonic() >= limit_at:
                raise _LimitReached(_describe(problem)) from problem
            raise
        finally:
            self._function_limit.end()
        if time.monotonic() >= limit_at:
            raise _LimitReached
        return returned

    def _call_interruptible(self, job: Job) -> Any:
        assert self._function is not None
        try:
            self._stopping.set_interruptible(True)
            return self._function(job)
        finally:
            self._stopping.set_interruptible(False)


class NotJsonError(Exception):
    """The function returned something that JSON cannot express."""


class _LimitReached(Exception):
    """The function ended after its time limit."""


def _timeout(job: Job, details: str) -> Failed:
    text = f"{describe(job)}: {details}" if details else describe(job)
    return Failed(bounded(text), condition="timeout")


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
