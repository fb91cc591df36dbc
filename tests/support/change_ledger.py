"""The requests and acknowledgements of many clients, compared with the database."""

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class StateChange:
    """One request that changes state. `acknowledged` is set after its response."""

    submitted: tuple[int, int] | None = None  # the id of the first job, and the number of jobs
    ended: tuple[tuple[int, str], ...] = ()  # (jobid, claim) of each report
    token: str | None = None  # the token of its claim
    claimed: tuple[int, ...] = ()  # the jobs in the response
    acknowledged: bool = False


@dataclass
class Ledger:
    """Every request of every caller."""

    requests: list[StateChange] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def note(self, change: StateChange) -> StateChange:
        """Records a request before it is sent."""
        with self.lock:
            self.requests.append(change)
        return change

    def acknowledged(self, change: StateChange, claimed: tuple[int, ...] = ()) -> None:
        """Records its response."""
        with self.lock:
            change.claimed, change.acknowledged = claimed, True

    def number(self, acknowledged: bool) -> int:
        """The number of requests with, or without, a response."""
        return sum(change.acknowledged is acknowledged for change in self.requests)


_ENDED = "SELECT jobid, event.claim FROM event JOIN job ON job.id = event.job_id WHERE event.claim IS NOT NULL"
_DONE_WITHOUT_END = """SELECT COUNT(*) FROM job
    WHERE jobstage = 2 AND NOT EXISTS (SELECT 1 FROM event WHERE job_id = job.id AND claim IS NOT NULL)"""


class DatabaseState:
    """The state of the database, read in one transaction."""

    def __init__(self, connection: Any) -> None:
        def rows(sql: str) -> list[Any]:
            return connection.execute(sql).fetchall()

        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" if "psycopg" in repr(connection) else "BEGIN")
        self.ended = {(jobid, claim) for jobid, claim in rows(_ENDED)}
        held = {(jobid, claim) for jobid, claim in rows("SELECT jobid, claim FROM job WHERE claim IS NOT NULL")}
        self.claims: dict[str, set[int]] = {}
        for jobid, claim in self.ended | held:
            self.claims.setdefault(claim, set()).add(jobid)
        self.jobids = {jobid for (jobid,) in rows("SELECT jobid FROM job")}
        self.counted = dict(rows("SELECT jobstage, COUNT(*) FROM job GROUP BY jobstage"))
        self.counters = dict(rows("SELECT stage, jobs FROM stage_count WHERE jobs <> 0"))
        self.done_without_end = rows(_DONE_WITHOUT_END)[0][0]
        self.held_available = rows("SELECT COUNT(*) FROM job WHERE jobstage <> 1 AND claim IS NOT NULL")[0][0]
        self.taken_twice = rows("SELECT job_id FROM event WHERE claim IS NOT NULL GROUP BY job_id HAVING COUNT(*) > 1")
        connection.execute("ROLLBACK")

    def disagreements(self, ledger: Ledger) -> list[str]:
        """Acknowledged changes that are missing, and other changes that are partial."""
        problems = [what for change in ledger.requests for what in self._problems_of(change)]
        if self.counted != self.counters:
            problems.append(f"counters {self.counters}, recount {self.counted}")
        if self.done_without_end or self.held_available or self.taken_twice:
            problems.append(f"partial changes: {self.done_without_end}, {self.held_available}, {self.taken_twice}")
        return problems

    def _problems_of(self, change: StateChange) -> list[str]:
        parts: list[bool] = [(jobid, claim) in self.ended for jobid, claim in change.ended]
        if change.submitted:
            first, n = change.submitted
            parts += [jobid in self.jobids for jobid in range(first, first + n)]
        if change.token:
            parts.append(change.token in self.claims)
        if change.acknowledged:
            missing = [] if all(parts) else [f"acknowledged but missing: {str(change)[:300]}"]
            if change.token and self.claims.get(change.token, set()) != set(change.claimed):
                missing.append(f"claimed {change.claimed}, stored {self.claims.get(change.token)}")
            return missing
        return [f"partial: {str(change)[:300]}"] if any(parts) and not all(parts) else []
