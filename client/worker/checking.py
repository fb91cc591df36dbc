"""The check of a stage, which the worker runs after the work, and the comparison with the results of other hosts."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..api.types import UNSET, Done, Job, as_json
from ..errors import MISSING_SCHEMA_LIBRARY, BadTemplate
from .command import Command, CommandFailed

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes

MAX_OUTPUT_FIELDS = 100
CHECK_FIELDS = ("result", "output", *(f"output[{number}]" for number in range(MAX_OUTPUT_FIELDS)))
COMPARE_FIELDS = ("mine", "other", "mine_file", "other_file")
MustStop = Callable[[], bool]


class CheckFailed(CommandFailed):
    """The result did not pass the check of its stage; the message is stored with the job."""


class Verdict(NamedTuple):
    """passed: True, or None without a check. agrees_with: the number of an earlier result, None if none agrees."""

    passed: bool | None
    agrees_with: int | None


class Checker:
    """Runs checks and comparisons for one job after another."""

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}

    def close(self) -> None:
        """Ends the helpers of the commands."""
        for command in self._commands.values():
            command.close()
        self._commands.clear()

    def judge(self, job: Job, done: Done, must_stop: MustStop) -> Verdict:
        """Checks what the work returned and wrote. Raises CheckFailed, BadTemplate, CommandStopped."""
        if job.check is not None:
            self._check(job, job.check, done, must_stop)
        agrees_with = None if job.compare is None else self._compare(job, job.compare, done, must_stop)
        return Verdict(None if job.check is None else True, agrees_with)

    def _check(self, job: Job, check: shapes.Check, done: Done, must_stop: MustStop) -> None:
        files = _files(job, done)
        if "outputs" in check:
            _check_outputs(files, check["outputs"])
        if "schema" in check:
            _check_schema(None if done.result is UNSET else done.result, check["schema"])
        if "command" not in check:
            return
        command = self._command(check["command"], CHECK_FIELDS)
        with tempfile.TemporaryDirectory(prefix="jm-check-") as folder:
            values = {"result": _written(folder, "result", done.result)}
            values |= {f"output[{number}]": path for number, path in enumerate(files)}
            values |= {"output": files[0]} if files else {}
            try:
                command.run(job, must_stop, values)
            except CheckFailed:
                raise
            except CommandFailed as problem:
                if problem.from_outside:
                    raise
                raise CheckFailed(f"the check of the stage failed: {problem}", problem.returncode) from problem

    def _compare(self, job: Job, compare: shapes.Comparison, done: Done, must_stop: MustStop) -> int | None:
        command = self._command(compare["command"], COMPARE_FIELDS)
        files = _files(job, done)
        with tempfile.TemporaryDirectory(prefix="jm-compare-") as folder:
            mine = {"mine": _written(folder, "mine", done.result)} | ({"mine_file": files[0]} if files else {})
            for earlier in compare["results"]:
                values = mine | {"other": _written(folder, "other", earlier["result"])}
                path = _file_of(earlier)
                try:
                    command.run(job, must_stop, values | ({} if path is None else {"other_file": path}))
                except CommandFailed as problem:
                    if problem.from_outside or problem.returncode is None:
                        raise
                    continue  # another exit code: they differ
                return earlier["number"]
        return None

    def _command(self, words: str | list[str], fields: Sequence[str]) -> Command:
        key = json.dumps(words)
        if key not in self._commands:
            self._commands[key] = Command(words, 0, fields)
        return self._commands[key]


def _written(folder: str, name: str, value: Any) -> str:
    """Writes a value as JSON, null if it is not set; returns the path."""
    path = os.path.join(folder, f"{name}.json")
    with open(path, "wb") as file:
        file.write(as_json(None if value is UNSET else value))
    return path


def _files(job: Job, done: Done) -> list[str]:
    """The output files of an attempt, where they are now."""
    if job.private_files:
        return [file.staged for file in job.private_files]
    return [] if done.filename is None else [os.fspath(done.filename)]


def _file_of(earlier: shapes.EarlierResult) -> str | None:
    """The first output file of an earlier result, which may not be published yet."""
    for output in earlier["outputs"] or ():
        staged = output.get("staged")
        return staged if staged is not None and os.path.exists(staged) else output["path"]
    return earlier["filename"]


def _check_outputs(files: Sequence[str], rule: shapes.OutputRule) -> None:
    if not files:
        raise CheckFailed("the check of the stage needs an output file: use --output, or --filename")
    least = max(rule.get("min_bytes", 0), int(rule.get("non_empty", False)))
    for path in files:
        try:
            size = os.path.getsize(path)
        except OSError as problem:
            raise CheckFailed(f"the output {path} cannot be read: {problem.strerror}") from problem
        if size < least:
            raise CheckFailed(f"the output {path} has {size} bytes; the stage requires at least {least}")
        if size > rule.get("max_bytes", size):
            raise CheckFailed(f"the output {path} has {size} bytes; the stage allows at most {rule['max_bytes']}")


def _check_schema(result: Any, schema: dict[str, Any]) -> None:
    validator = make_validator(schema)
    from jsonschema.exceptions import best_match

    problem = best_match(validator.iter_errors(result))
    if problem is not None:
        raise CheckFailed(f"the result does not fit the schema of the stage: {problem.json_path}: {problem.message}")


def make_validator(schema: dict[str, Any]) -> Any:
    """The validator of a JSON schema. Raises BadTemplate if the schema is wrong or the library is missing."""
    try:
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry
    except ImportError:
        raise BadTemplate(MISSING_SCHEMA_LIBRARY) from None
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as problem:
        raise BadTemplate(f"the JSON schema is wrong: {problem.json_path}: {problem.message}") from problem
    return kind(schema, registry=Registry())  # an empty one, so that no schema is loaded from the network
