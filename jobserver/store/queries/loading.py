"""Queries that add jobs: the database parses the JSON of a chunk of jobs, in one statement."""

from collections import Counter

from jobserver.store.transaction import Transaction

_COLUMNS = "(list_id, jobid, jobstage, priority, jobcmd, datecommitted, renewed, deadline)"
_LIFETIME = "(SELECT lifetime_ms FROM lifetime WHERE list_id = :list AND stage = {int1} AND lifetime_ms > 0)"
_ADD = f"""INSERT INTO job {_COLUMNS}
    SELECT :list, {{int0}}, {{int1}}, {{int2}}, {{text3}}, :now, :now, :now + {_LIFETIME}
    FROM {{json_rows}} WHERE true ON CONFLICT (list_id, jobid) DO NOTHING RETURNING jobstage"""


def add_jobs(tx: Transaction, list_id: int, chunk: str, now: int) -> Counter[int]:
    """Adds the jobs whose ids are new to the list; returns their number in each stage.

    chunk: JSON, [[jobid, stage, priority, jobcmd as JSON text], …].
    """
    new = Counter(stage for (stage,) in tx.all(_ADD, list=list_id, rows=chunk, now=now))
    for stage, jobs in new.items():
        tx.count(list_id, stage, jobs=jobs)
    return new
