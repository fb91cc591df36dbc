"""The requests and acknowledgements of a load of clients, compared with the database."""

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Asked:
    """One request that changes state. `acknowledged` is set after its response."""

    submitted: tuple[int, int] | None = None  # the first job's id, how many
    ended: tuple[tuple[int, str], ...] = ()  # (jobid, claim) of each report
    token: str | None = None  # the token of its claim
    claimed: tuple[int, ...] = ()  # the jobs in the response
    acknowledged: bool = False


@dataclass
class Ledger:
    """Every request of every caller."""

    requests: list[Asked] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def note(self, asked: Asked) -> Asked:
        """Records a request before it is sent."""
        with self.lock:
            self.requests.append(asked)
        return asked

    def acknowledged(self, asked: Asked, claimed: tuple[int, ...] = ()) -> None:
        """Records its response."""
        with self.lock:
            asked.claimed, asked.acknowledged = claimed, True

    def number(self, acknowledged: bool) -> int:
        """The number of requests with, or without, a response."""
        return sum(asked.acknowledged is acknowledged for asked in self.requests)


_ENDED = "SELECT jobid, event.claim FROM event JOIN job ON job.id = event.job_id WHERE event.claim IS NOT NULL"
_DONE_WITHOUT_END = """SELECT COUNT(*) FROM job
    WHERE jobstage = 2 AND NOT EXISTS (SELECT 1 FROM event WHERE job_id = job.id AND claim IS NOT NULL)"""


class Kept:
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
        found = [what for asked in ledger.requests for what in self._about(asked)]
        if self.counted != self.counters:
            found.append(f"counters {self.counters}, recount {self.counted}")
        if self.done_without_end or self.held_available or self.taken_twice:
            found.append(f"half a change: {self.done_without_end}, {self.held_available}, {self.taken_twice}")
        return found

    def _about(self, asked: Asked) -> list[str]:
        parts: list[bool] = [(jobid, claim) in self.ended for jobid, claim in asked.ended]
        if asked.submitted:
            first, n = asked.submitted
            parts += [jobid in self.jobids for jobid in range(first, first + n)]
        if asked.token:
            parts.append(asked.token in self.claims)
        if asked.acknowledged:
            missing = [] if all(parts) else [f"acknowledged and lost: {str(asked)[:300]}"]
            if asked.token and self.claims.get(asked.token, set()) != set(asked.claimed):
                missing.append(f"claimed {asked.claimed}, kept {self.claims.get(asked.token)}")
            return missing
        return [f"half there: {str(asked)[:300]}"] if any(parts) and not all(parts) else []
