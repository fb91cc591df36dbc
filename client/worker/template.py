"""A command line or filename with fields of the job."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from string import Formatter
from typing import Any

from ..api.types import Job
from ..errors import BadTemplate

_FIELD = re.compile(
    r"jobid|name|attempt|stage|jobcmd(\[[^\[\]]+\])*|(?P<output>output_dir|output(?:\[(?P<number>[0-9]+)\])?)"
)
_FIELDS = (
    "the fields are {jobid}, {name}, {attempt}, {stage}, {jobcmd}, {jobcmd[name]} and {jobcmd[0]}; "
    "write {{ or }} for a brace"
)
_OUTPUT_FIELDS = "with declared outputs also {output}, {output[1]} and {output_dir}"


class Template:
    """Text with fields such as `{jobid}` or `{jobcmd[name]}`; an unknown field is refused.

    outputs: how many output files are declared, for the fields `{output}` and `{output_dir}`; None: the text cannot
    have these fields. extra: other fields, whose values are given to `fill`.
    """

    def __init__(self, text: str, outputs: int | None = None, extra: Collection[str] = ()) -> None:
        self._parts: list[tuple[str, str | None]] = []
        fields = _FIELDS if outputs is None else f"{_FIELDS}; {_OUTPUT_FIELDS}"
        try:
            for literal, name, layout, conversion in Formatter().parse(text):
                if name is not None and name not in extra:
                    match = _FIELD.fullmatch(name)
                    if not match or layout or conversion or (match["output"] and outputs is None):
                        raise BadTemplate(f"{text!r} has an unknown field {{{name}}}: {fields}")
                    if match["output"] and int(match["number"] or 0) >= (outputs or 0):
                        raise BadTemplate(
                            f"{text!r} has the field {{{name}}}, but no such file is declared: use --output"
                        )
                self._parts.append((literal, name))
        except ValueError as problem:
            raise BadTemplate(f"{text!r}: {problem}; {fields}") from problem

    @property
    def is_plain(self) -> bool:
        """True without any field."""
        return all(name is None for _, name in self._parts)

    def fill(self, job: Job, extra: Mapping[str, str] | None = None) -> str:
        """The text for this job; values that are not text as JSON. Raises BadTemplate if the job lacks a field."""
        known = extra or {}
        return "".join(
            literal + ("" if name is None else known[name] if name in known else _value(job, name))
            for literal, name in self._parts
        )


def _value(job: Job, name: str) -> str:
    field, _, _ = name.partition("[")
    if field in _SIMPLE:
        return _SIMPLE[field](job)
    keys = re.findall(r"\[([^\]]+)\]", name)
    if field == "output":
        return job.private_files[int(keys[0]) if keys else 0].staged
    value: Any = job.jobcmd
    for key in keys:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise BadTemplate(f"job {job.jobid} has no {{{name}}}: its jobcmd lacks that field")
    return value if isinstance(value, str) else json.dumps(value)


_SIMPLE: dict[str, Callable[[Job], str]] = {
    "jobid": lambda job: str(job.jobid),
    "name": lambda job: str(job.jobid) if job.name is None else job.name,
    "attempt": lambda job: str(job.attempt),
    "stage": lambda job: str(job.stage),
    "output_dir": lambda job: job.output_dir,
}


def environment(job: Job) -> dict[str, str]:
    """The environment variables of a command, with the same values as the fields of a Template."""
    variables = {f"JM_{field.upper()}": _SIMPLE[field](job) for field in ("jobid", "name", "attempt", "stage")}
    if job.private_files:
        variables |= {"JM_OUTPUT": job.output, "JM_OUTPUT_DIR": job.output_dir}
    return variables
