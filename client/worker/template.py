"""A command line or filename with fields of the job."""

from __future__ import annotations

import json
import re
from string import Formatter
from typing import Any

from ..api.types import Job
from ..errors import BadTemplate

_FIELD = re.compile(r"(jobid|jobcmd)((?:\[[^\[\]]+\])*)")
_FIELDS = "the fields are {jobid}, {jobcmd}, {jobcmd[name]} and {jobcmd[0]}; write {{ or }} for a brace"


class Template:
    """Text with `{jobid}`, `{jobcmd}`, `{jobcmd[name]}` or `{jobcmd[0]}`. There are no other fields."""

    def __init__(self, text: str) -> None:
        self._parts: list[tuple[str, str | None]] = []
        try:
            for literal, name, layout, conversion in Formatter().parse(text):
                if name is not None:
                    match = _FIELD.fullmatch(name)
                    if not match or layout or conversion or (match[1] == "jobid" and match[2]):
                        raise BadTemplate(f"{text!r} has an unknown field {{{name}}}: {_FIELDS}")
                self._parts.append((literal, name))
        except ValueError as problem:
            raise BadTemplate(f"{text!r}: {problem}; {_FIELDS}") from problem

    @property
    def is_plain(self) -> bool:
        """True without any field."""
        return all(name is None for _, name in self._parts)

    def fill(self, job: Job) -> str:
        """The text for this job; values that are not text as JSON. Raises BadTemplate if the job lacks a field."""
        return "".join(literal + ("" if name is None else _value(job, name)) for literal, name in self._parts)


def _value(job: Job, name: str) -> str:
    if name == "jobid":
        return str(job.jobid)
    value: Any = job.jobcmd
    for key in re.findall(r"\[([^\]]+)\]", name):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise BadTemplate(f"job {job.jobid} has no {{{name}}}: its jobcmd lacks that field")
    return value if isinstance(value, str) else json.dumps(value)
