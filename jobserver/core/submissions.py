"""The types of a submission: its jobs in chunks, and its outcome."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

MOST_EXAMPLES = 5  # of jobs with different content


class Chunk(NamedTuple):
    """Some jobs of a submission. `rows` is JSON: [[jobid, stage, priority, jobcmd as JSON text, name, checksum of the
    jobcmd, position], …]. An unnumbered job has no jobid, but a position among the unnumbered jobs, from 0. Each part
    from the name on may be null or missing."""

    jobs: int
    rows: str


class NewJobs(Protocol):
    """The jobs of a submission. It can be iterated repeatedly, because a transaction may be repeated. `is_list`: it was
    sent as a list. `unnumbered`: the number of jobs without an id. `highest_id`: -1 without any id."""

    is_list: bool
    unnumbered: int
    highest_id: int

    def __iter__(self) -> Iterator[Chunk]:
        """Yields all jobs."""


class Submitted(NamedTuple):
    """The outcome of a submission. `different`: the number of known jobs whose jobcmd was another one at their
    submission; `different_jobs`: the names or ids of some of them."""

    new: int
    known: int
    different: int
    different_jobs: list[int | str]
