"""Queries that add jobs, many at a time: the database reads a chunk's JSON itself, in one statement."""

from collections import Counter

from jobserver.store.transaction import Transaction

_COLUMNS = "(list_id, jobid, jobstage, priority, jobcmd, datecommitted, renewed, deadline)"
_LIFETIME = "(SELECT lifetime_ms FROM lifetime WHERE list_id = :list AND stage = {stage} AND lifetime_ms > 0)"
_KNOWN = "ON CONFLICT (list_id, jobid) DO NOTHING RETURNING jobstage"

_SQLITE = f"""INSERT INTO job {_COLUMNS}
    SELECT :list, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), :now, :now, :now + {_LIFETIME.format(stage="json_extract(value, '$[1]')")}
    FROM json_each(:chunk) WHERE true {_KNOWN}"""

_POSTGRESQL = f"""INSERT INTO job {_COLUMNS}
    SELECT :list, (value ->> 0)::bigint, (value ->> 1)::integer, (value ->> 2)::integer, value ->> 3, :now, :now,
           :now + {_LIFETIME.format(stage="(value ->> 1)::integer")}
    FROM json_array_elements(CAST(:chunk AS json)) {_KNOWN}"""


def add_jobs(tx: Transaction, list_id: int, chunk: str, now: int) -> Counter[int]:
    """Adds the jobs that the list doesn't know yet; how many in each stage.

    chunk: JSON, [[jobid, stage, priority, jobcmd as JSON text], …].
    """
    rows = tx.all(_POSTGRESQL if tx.postgresql else _SQLITE, list=list_id, chunk=chunk, now=now)
    new = Counter(stage for (stage,) in rows)
    for stage, jobs in new.items():
        tx.count(list_id, stage, jobs=jobs)
    return new
