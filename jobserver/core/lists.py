"""A job list and its counters."""

from typing import NamedTuple


class JobList(NamedTuple):
    """A list: the id of its row and its public name."""

    id: int
    name: str


class Count(NamedTuple):
    """The counters of one stage. `flagged` includes failed jobs."""

    jobs: int
    flagged: int
    failed: int
