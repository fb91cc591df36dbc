"""Queries that add jobs to a list. The database parses the jobs from JSON, because one statement adds many."""

from collections import Counter
from typing import NamedTuple

from jobserver.core.bounds import HIGHEST_NUMBER
from jobserver.core.errors import BadRequest, IdTaken
from jobserver.core.submissions import Chunk, NewJobs
from jobserver.store.transaction import Transaction

_COLUMNS = "(list_id, jobid, jobstage, priority, jobcmd, name, content, datecommitted, renewed, deadline)"
_LIFETIME_MS = "(SELECT lifetime_ms FROM lifetime WHERE list_id = :list AND stage = {int1} AND lifetime_ms > 0)"
_HIGHEST = "SELECT COALESCE(MAX(jobid), -1) FROM job WHERE list_id = :list"


def _insert(jobid: str) -> str:
    return f"""INSERT INTO job {_COLUMNS}
        SELECT :list, {jobid}, {{int1}}, {{int2}}, {{text3}}, {{text4}}, {{int5}}, :now, :now, :now + {_LIFETIME_MS}
        FROM {{json_rows}} WHERE true ON CONFLICT DO NOTHING RETURNING jobstage"""


_ADD_NUMBERED = _insert("{int0}")
_ADD = _insert("COALESCE({int0}, :first + {int6})")
# A name identifies a job, whatever its id. The rows that were just added match, with the same name and content.
_DIFFERENT = """SELECT known.jobid, known.name, {text4} FROM {json_rows} CROSS JOIN job AS known
    WHERE known.id = COALESCE((SELECT id FROM job WHERE list_id = :list AND name = {text4}),
        (SELECT id FROM job WHERE list_id = :list AND jobid = {int0}))
    AND (known.content <> {int5} OR COALESCE(known.name, '') <> COALESCE({text4}, known.name, ''))"""


class Added(NamedTuple):
    """The outcome of a chunk: the number of new jobs in each stage, and the names or ids of the different jobs."""

    new: Counter[int]
    different: list[int | str]


def first_free_id(tx: Transaction, list_id: int, jobs: NewJobs) -> int:
    """Returns the id of the first unnumbered job: above all ids of the list and of the submission. No other
    transaction may add jobs until this one ends."""
    first: int = max(tx.all(_HIGHEST, list=list_id)[0][0], jobs.highest_id) + 1
    if first + jobs.unnumbered > HIGHEST_NUMBER + 1:
        raise BadRequest(f"There are not enough ids above {first - 1}, the highest one: give each job a jobid.")
    return first


def add_jobs(tx: Transaction, list_id: int, chunk: Chunk, now: int, first: int | None = None) -> Added:
    """Adds the jobs that are new to the list. `first`: the id of the first unnumbered job; None: all jobs have ids.
    Raises IdTaken for a job whose id belongs to a job with another name."""
    values = {"list": list_id, "rows": chunk.rows, "now": now}
    added = tx.all(_ADD_NUMBERED, **values) if first is None else tx.all(_ADD, first=first, **values)
    new = Counter(stage for (stage,) in added)
    for stage, jobs in new.items():
        tx.count(list_id, stage, jobs=jobs)
    different: list[int | str] = []
    if len(added) < chunk.jobs:
        for jobid, known_name, name in tx.all(_DIFFERENT, list=list_id, rows=chunk.rows):
            if name is not None and known_name != name:
                known = "has no name" if known_name is None else f"is named {known_name!r}"
                raise IdTaken(
                    f"Job {jobid} of this list {known}, so {name!r} needs another jobid. Without a jobid, in a list of"
                    " jobs, the server chooses one."
                )
            different.append(jobid if known_name is None else known_name)
    return Added(new, different)
