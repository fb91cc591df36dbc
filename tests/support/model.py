"""A model of a list: the protocol's rules for one client at a time, in plain dicts."""

from dataclasses import dataclass, field

MAX_ATTEMPTS = {1: 3, 3: 2}
REQUEUE = {3: 2}
LAST_STAGE = 4


@dataclass
class Job:
    """One job. `before`: the stage it was claimed from. `ended`: for each ended claim, the stage after it and how it
    ended: reported, failed or requeued."""

    stage: int
    priority: int
    before: int | None = None
    claim: str | None = None
    own_token: bool = False
    flagged: bool = False
    failed: bool = False
    attempt: int = 0
    failures: int = 0
    ended: dict[str, tuple[int, str]] = field(default_factory=dict)

    def end(self, to: int, kind: str, *, failures: int) -> None:
        """The claim ends, and the job goes to another stage."""
        if self.claim is not None:
            self.ended[self.claim] = (to, kind)
        if self.failed or to != self.before:
            self.attempt = 0
        self.failures = 0 if self.failed or to == self.stage + 1 else failures
        self.before, self.stage, self.claim, self.own_token = self.stage, to, None, False
        self.flagged = self.failed = False

    def fail(self) -> None:
        """The last attempt failed: the job stays in its stage and is not held."""
        if self.claim is not None:
            self.ended[self.claim] = (self.stage, "failed")
        self.before, self.claim, self.own_token = self.stage, None, False
        self.failures += 1
        self.flagged = self.failed = True

    def is_last_failure(self) -> bool:
        """Whether one more failure would be the last."""
        return self.failures + 1 >= MAX_ATTEMPTS[self.stage]


class Model:
    """The jobs of one list, by their ids."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}

    def submit(self, entries: dict[int, tuple[int, int]]) -> int:
        """Adds (stage, priority) for new ids. Returns their number."""
        new = {jobid: Job(*entry) for jobid, entry in entries.items() if jobid not in self.jobs}
        self.jobs |= new
        return len(new)

    def held_under(self, claim: str) -> list[int]:
        """The jobs that a token holds, highest priority first."""
        return self._sorted([jobid for jobid, job in self.jobs.items() if job.claim == claim])

    def is_spent(self, claim: str) -> bool:
        """Whether a claim under this token has ended."""
        return any(claim in job.ended for job in self.jobs.values())

    def available(self, stage: int, n: int) -> list[int]:
        """The next n available jobs."""
        return self._sorted([jobid for jobid, job in self.jobs.items() if job.stage == stage < LAST_STAGE])[:n]

    def claim(self, jobid: int, claim: str, own_token: bool) -> None:
        """Claims the job."""
        job = self.jobs[jobid]
        job.before, job.stage, job.claim, job.own_token = job.stage, job.stage + 1, claim, own_token
        job.attempt += 1

    def report(self, jobid: int, to: int, claim: str | None, error: bool) -> tuple[int, int | None]:
        """The expected response of /update_job: the status and the new stage of the job."""
        job = self.jobs.get(jobid)
        if job is None:
            return 404, None
        held = job.claim == claim if claim is not None else job.claim is None or not job.own_token
        working = job.stage % 2 == 1
        if working and held and (to < job.stage or (to == job.stage + 1 and not error and not job.failed)):
            if error and not job.failed and job.is_last_failure():
                job.fail()
            else:
                job.end(to, "reported", failures=job.failures + error)
            return 200, job.stage
        if claim is not None and claim in job.ended:
            stage, kind = job.ended[claim]
            said_before = (kind == "reported" and to == stage) or (kind == "failed" and to < stage)
            return (200, stage) if said_before else (409, None)
        if working and (held or claim is None) and to == job.stage + 1 and error:
            return 400, None  # an error with a completed stage
        return 409, None

    def heartbeat(self, jobid: int, claim: str) -> str:
        """The expected state in the response."""
        job = self.jobs.get(jobid)
        if job is None or job.claim != claim:
            return "lost"
        if job.flagged:
            job.failures -= 1
        job.flagged = False
        return "held"

    def expire(self, jobid: int) -> None:
        """The lifetime of the job in an odd stage is over."""
        job = self.jobs[jobid]
        if job.is_last_failure():
            job.fail()
        elif job.stage in REQUEUE:
            job.end(REQUEUE[job.stage], "taken back", failures=job.failures + 1)
        else:
            job.flagged = True
            job.failures += 1

    def degrade(self, old: int, new: int) -> int:
        """Requeues the flagged jobs of a stage. Returns their number."""
        flagged = [job for job in self.jobs.values() if job.stage == old and job.flagged]
        for job in flagged:
            job.end(new, "taken back", failures=job.failures)
        return len(flagged)

    def counters(self) -> dict[int, tuple[int, int, int, int]]:
        """Jobs, flagged, failed and cancelled by stage."""
        stages = {job.stage for job in self.jobs.values()}
        inside = {stage: [job for job in self.jobs.values() if job.stage == stage] for stage in stages}
        return {
            stage: (len(jobs), sum(job.flagged for job in jobs), sum(job.failed for job in jobs), 0)
            for stage, jobs in inside.items()
        }

    def _sorted(self, jobids: list[int]) -> list[int]:
        return sorted(jobids, key=lambda jobid: (-self.jobs[jobid].priority, jobid))
