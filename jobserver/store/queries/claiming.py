"""Queries that begin, find and renew claims."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jobserver.core.claims import ClaimedJob, ClaimRequest
from jobserver.core.states import Event, EventKind, Phase
from jobserver.store.queries.lists import Rows
from jobserver.store.transaction import NeedsAlone, Transaction, array

# The list if jobs may be claimed from it: a subquery that is evaluated once, so that no job is read otherwise. Jobs of
# the last stage are done, not available, if the last stage with a lifetime is even. `also`: another reason to claim
# nothing; it is part of the same scan, because a second subquery would cost every claim almost a microsecond.
_OPEN = """SELECT id FROM job_list WHERE id = :list AND paused + archived + deleted = 0 AND NOT EXISTS (
    SELECT 1 FROM lifetime last WHERE last.list_id = :list AND ((last.stage % 2 = 0 AND last.stage <= :stage
    AND NOT EXISTS (SELECT 1 FROM lifetime more WHERE more.list_id = :list AND more.stage > last.stage)){also}))"""
_OPEN_LIST = _OPEN.format(also="")
_OPEN_WITHOUT_RULES = _OPEN.format(also=" OR (last.stage = :work AND last.rules IS NOT NULL)")
_AVAILABLE = "SELECT id FROM job WHERE list_id = ({list}) AND jobstage = :stage AND jobstage % 2 = 0 AND hold = {hold}"
_BEST = "ORDER BY priority DESC, jobid LIMIT :n"
_NEW_TO_HOST = """NOT EXISTS (SELECT 1 FROM replica
    WHERE job_id = job.id AND stage = :work AND host = :host AND job.attempt > 0)"""  # an attempt of 0: a new run
_FREE = _AVAILABLE.format(list=_OPEN_LIST, hold="'none'")
_TO_CONFIRM = _AVAILABLE.format(list=_OPEN_LIST, hold="'replication'")
_PICK = f"""{_AVAILABLE.format(list=_OPEN_WITHOUT_RULES, hold="'none'")} {_BEST}"""
_OF_STAGE = "FROM lifetime WHERE list_id = :list AND stage = :work AND lifetime_ms > 0"
_LIFETIME = f"(SELECT lifetime_ms {_OF_STAGE})"
# The lease or the lifetime, whichever is shorter. One subquery: each costs every claim almost a microsecond.
_SHORTER = f"""(SELECT CASE WHEN lifetime_ms > CAST(:lease AS BIGINT) THEN CAST(:lease AS BIGINT) ELSE lifetime_ms END
    {_OF_STAGE})"""
_ACCEPT = f"""UPDATE job SET previous_stage = jobstage, previous_overdue = overdue, jobstage = :work,
    client_token = :client_token, attempt = attempt + 1, claimed = :now, datecommitted = :now,
    renewed = :now, cancel = 0, overdue = 0, phase = '{Phase.ACCEPTED.value}',
    lease_ms = CAST(:lease AS BIGINT), lifetime_end = :now + CASE WHEN CAST(:lease AS BIGINT) > 0 THEN {_LIFETIME} END,
    deadline = :now + COALESCE({_SHORTER}, CAST(:lease AS BIGINT))"""
_COLUMNS = "id, jobid, jobcmd, attempt, deadline, claim, previous_stage, name, outputs, lifetime_end"
_CLAIMED = f"RETURNING {_COLUMNS}, priority, previous_overdue"


class _Claim(NamedTuple):
    """A statement that claims the picked jobs. `skipping`: without the jobs that another transaction has locked."""

    skipping: str
    waiting: str


def _claim(pick: str) -> _Claim:
    sql = f"""{_ACCEPT}, claim = :claim, worker = :worker, hold = 'none'
    WHERE id {{any_of}}{pick}{{lock}}{{end_any}} {_CLAIMED}"""
    return _Claim(sql.replace("{lock}", "{skip_locked}"), sql.replace("{lock}", "{wait_locked}"))


_CLAIM = _claim(_PICK)
_CLAIM_RULED = _claim(f"{_FREE} {_BEST}")
_CLAIM_NEW = _claim(f"{_FREE} AND {_NEW_TO_HOST} {_BEST}")
_CLAIM_REPLICATING = _claim(f"{_TO_CONFIRM} AND {_NEW_TO_HOST} {_BEST}")
# One job for each pair (token, worker) of :rows. MATERIALIZED: the picking query must not be evaluated again.
_CLAIM_ONE_EACH = f"""WITH picked AS MATERIALIZED ({_PICK}{{skip_locked}}),
    numbered AS MATERIALIZED (SELECT id AS picked_id, row_number() OVER () - 1 AS number FROM picked)
    {_ACCEPT}, claim = {{numbered_text0}}, worker = {{numbered_text1}}
    FROM numbered WHERE id = picked_id {_CLAIMED}"""
_HELD_UNDER = f"""SELECT {_COLUMNS} FROM job
    WHERE claim = :claim AND list_id + 0 = :list ORDER BY priority DESC, jobid"""  # + 0: not the list's index
_SPENT = "SELECT 1 FROM event WHERE claim = :claim AND list_id = :list LIMIT 1"
_OWN_TOKEN = "UPDATE job SET claim = :own WHERE id = :id AND claim = :claim"
# Only a sweep ends a claim beyond its lifetime: after an outage it gives the claim more time.
_RENEW = """UPDATE job SET renewed = :now, failures = failures - overdue, previous_overdue = overdue, overdue = 0,
    deadline = CASE WHEN lease_ms IS NULL THEN :now + (SELECT lifetime_ms FROM lifetime
            WHERE list_id = :list AND stage = job.jobstage AND lifetime_ms > 0)
        WHEN lifetime_end < :now + lease_ms THEN lifetime_end ELSE :now + lease_ms END
    WHERE list_id = :list AND jobid = :jobid AND claim = :claim AND jobstage % 2 = 1
    AND (lease_ms IS NULL OR overdue = 0)
    RETURNING id, jobstage, deadline, cancel, previous_overdue, worker"""

_HELD_TOKENS = """SELECT jobid, claim FROM job WHERE list_id = :list AND jobid IN ({json_ids})
    AND jobstage % 2 = 1 AND claim IS NOT NULL AND cancel = 0"""


class Renewed(NamedTuple):
    """A renewed claim: its deadline in ms (None: no limit), and whether its worker must stop."""

    deadline: int | None
    cancel: bool


def claim_jobs(tx: Transaction, list_id: int, request: ClaimRequest, token: str, now: int) -> list[ClaimedJob]:
    """Moves up to request.n available jobs to the working stage, all under one token; the best job first. Claims
    nothing if the working stage has rules. Jobs that another transaction has locked are skipped; see
    require_unlocked()."""
    return _claim_picked(tx, _CLAIM, list_id, request, token, now)


def claim_ruled(tx: Transaction, list_id: int, request: ClaimRequest, token: str, now: int) -> list[ClaimedJob]:
    """As claim_jobs(), into a working stage that has rules."""
    return _claim_picked(tx, _CLAIM_RULED, list_id, request, token, now)


def claim_for_host(
    tx: Transaction, list_id: int, request: ClaimRequest, host: str, token: str, now: int
) -> list[ClaimedJob]:
    """As claim_ruled(), for a stage with replication: first jobs whose results another host must confirm, then others;
    none that this host has done already."""
    claimed = _claim_picked(tx, _CLAIM_REPLICATING, list_id, request, token, now, host=host)
    if len(claimed) < request.n:
        rest = request._replace(n=request.n - len(claimed))
        claimed += _claim_picked(tx, _CLAIM_NEW, list_id, rest, token, now, host=host)
    return claimed


def require_unlocked(tx: Transaction, list_id: int, stage: int) -> None:
    """Call it if no job was claimed. NeedsAlone if the counters show jobs that another transaction may have locked: the
    commit queue then repeats this request in a transaction of its own, which waits for the locked jobs."""
    if tx.shares_rows and not tx.alone and tx.jobs_in(list_id, stage) > 0:
        raise NeedsAlone


def _claim_picked(
    tx: Transaction, claim: _Claim, list_id: int, request: ClaimRequest, token: str, now: int, **values: str
) -> list[ClaimedJob]:
    rows = tx.all(
        claim.waiting if tx.alone else claim.skipping, list=list_id, stage=request.stage, work=request.working_stage,
        n=request.n, claim=token, client_token=int(request.token is not None), worker=request.worker, now=now,
        lease=request.lease_ms, **values,
    )  # fmt: skip
    if not rows:
        return []
    if len(rows) > 1:
        rows.sort(key=lambda row: (-row[10], row[1]))
    claimed = [ClaimedJob(*row[:10]) for row in rows]
    flagged = sum(row[11] for row in rows)
    tx.record_claims(list_id, request.stage, request.working_stage, {request.worker: claimed}, flagged, now)
    return claimed


def claim_one_each(
    tx: Transaction,
    list_id: int,
    stage: int,
    working_stage: int,
    lease_ms: int | None,
    workers: Mapping[str, str | None],
    now: int,
) -> dict[str, ClaimedJob]:
    """Moves one available job to the working stage for each of the new tokens, as far as there are unlocked jobs;
    returns the jobs by their tokens. `workers`: the name of the worker of each token."""
    rows = tx.all(
        _CLAIM_ONE_EACH, list=list_id, stage=stage, work=working_stage, n=len(workers), client_token=0, now=now,
        lease=lease_ms, rows=array(workers.items()),
    )  # fmt: skip
    claimed = {row[5]: ClaimedJob(*row[:10]) for row in rows}
    if claimed:
        by_worker: dict[str | None, list[ClaimedJob]] = defaultdict(list)
        for token, job in claimed.items():
            by_worker[workers[token]].append(job)
        tx.record_claims(list_id, stage, working_stage, by_worker, sum(row[11] for row in rows), now)
    return claimed


def give_own_token(tx: Transaction, job: ClaimedJob, own: str) -> ClaimedJob:
    """Replaces the token of one job of a batch."""
    tx.run(_OWN_TOKEN, id=job.row_id, claim=job.token, own=own)
    return job._replace(token=own)


def lock_token(tx: Transaction, token: str) -> None:
    """Locks this token against other server processes until the transaction ends."""
    if tx.shares_rows:
        tx.lock("{lock_token}", claim=token)


def held_under(tx: Transaction, list_id: int, token: str) -> list[ClaimedJob]:
    """Returns the jobs that a token holds."""
    return [ClaimedJob(*row) for row in tx.all(_HELD_UNDER, list=list_id, claim=token)]


def is_spent(tx: Transaction, list_id: int, token: str) -> bool:
    """Returns whether a claim with this token has ended."""
    return bool(tx.all(_SPENT, list=list_id, claim=token))


def renew(tx: Transaction, list_id: int, jobid: int, token: str, now: int) -> Renewed | None:
    """Sets a new deadline; returns None if the claim does not hold the job. A claim with a lease cannot be renewed
    beyond its lifetime."""
    rows = tx.all(_RENEW, list=list_id, jobid=jobid, claim=token, now=now)
    if not rows:
        return None
    row_id, stage, deadline, cancel, was_overdue, worker = rows[0]
    tx.heard(list_id, worker, now)
    if was_overdue:
        tx.count(list_id, stage, flagged=-1)
        tx.record(Event(list_id, EventKind.RENEWED, (jobid,), 1, stage, stage, worker), now, [row_id])
    return Renewed(deadline, bool(cancel))


def held_tokens(rows: Rows, list_id: int, jobids: Sequence[int]) -> dict[int, str]:
    """Returns the tokens of the claims that hold these jobs, without those that must end."""
    return dict(rows(_HELD_TOKENS, list=list_id, ids=array(jobids)))
